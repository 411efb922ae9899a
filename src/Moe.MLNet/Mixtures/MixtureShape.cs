using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>What a pipeline is told of a mixture's columns before it is fitted.</summary>
/// <remarks>ML.NET lets nobody else make a column of a <see cref="SchemaShape"/>: they come from estimators of its own that add columns of the same types.</remarks>
internal static class MixtureShape
{
    public static SchemaShape Output(SchemaShape input, MixtureEstimatorOptions options)
    {
        var features = Column(input, options.FeatureColumn);
        if (features.Kind != SchemaShape.Column.VectorKind.Vector || !features.ItemType.Equals(NumberDataViewType.Single))
            throw new ArgumentException($"The feature column {features.Name} is a {features.Kind} of {features.ItemType}; expected a vector of Single of known size.", nameof(input));
        if (options.WeightColumn is { } weight && Column(input, weight) is var each && (each.Kind != SchemaShape.Column.VectorKind.Scalar || !each.ItemType.Equals(NumberDataViewType.Single)))
            throw new ArgumentException($"The weight column {each.Name} is a {each.Kind} of {each.ItemType}; expected Single.", nameof(input));
        var label = Column(input, options.LabelColumn);
        if (label.Kind != SchemaShape.Column.VectorKind.Scalar)
            throw new ArgumentException($"The label column {label.Name} is a {label.Kind} of {label.ItemType}; expected Single, a key or Boolean.", nameof(input));
        var kind = label.IsKey ? LabelKind.Key : LabelledRows.Kind(label.Name, label.ItemType);

        var context = new MLContext();
        var shape = kind == LabelKind.Key ? Add<VectorColumn>(context, input, "Score") : Add<NumberColumn>(context, input, "Score");
        if (kind == LabelKind.Boolean)
            shape = Add<NumberColumn>(context, shape, "Probability");
        if (options.GateColumn is { } gate)
            shape = Add<VectorColumn>(context, shape, gate);
        return kind == LabelKind.Number ? shape : context.Transforms.CopyColumns("PredictedLabel", label.Name).GetOutputSchema(shape);
    }

    private static SchemaShape Add<TColumn>(MLContext context, SchemaShape shape, string name)
        where TColumn : class, new()
    {
        var output = SchemaDefinition.Create(typeof(TColumn));
        output[0].ColumnName = name;
        return context.Transforms.CustomMapping<NoColumns, TColumn>((_, _) => { }, null, null, output).GetOutputSchema(shape);
    }

    private static SchemaShape.Column Column(SchemaShape shape, string name)
    {
        foreach (var column in shape)
        {
            if (column.Name == name)
                return column;
        }
        throw new ArgumentException($"There is no column {name}; there are {string.Join(", ", shape.Select(column => column.Name))}.", nameof(shape));
    }
}
