using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace Moe.MLNet;

/// <summary>A mixture as a chain of ML.NET's own transformers, which is what a saved model holds of it.</summary>
/// <remarks>
/// ML.NET opens neither its save context nor its attribute for loadable classes to others (both are internal), so that a transformer of one's own cannot write itself.
/// But it may ask another to write itself in its place. The chain: a custom mapping gives each row a key; a value mapping, whose table goes into the model, gives the
/// key's text, which is the mixture; a second custom mapping answers by it. A custom mapping's name and assembly are in the model, so that plain ML.NET finds it.
/// </remarks>
internal static class LoadableMixture
{
    public const string KeyColumn = "moe.Key";
    public const string TextColumn = "moe.Text";
    public const string FeatureColumn = "moe.Features";
    public const string ScoreColumn = "moe.Score";
    public const string ScoresColumn = "moe.Scores";
    public const string ProbabilityColumn = "moe.Probability";
    public const string TruthColumn = "moe.Truth";
    public const string NameColumn = "moe.Name";
    public const string NumberColumn = "moe.Number";
    public const string GatesColumn = "moe.Gates";

    private static readonly string[] OwnColumns =
        [KeyColumn, TextColumn, FeatureColumn, ScoreColumn, ScoresColumn, ProbabilityColumn, TruthColumn, NameColumn, NumberColumn, GatesColumn];

    /// <summary>The chain that answers as a mixture does.</summary>
    /// <exception cref="NotSupportedException">The mixture holds an expert that cannot be stored.</exception>
    public static ITransformer Of(MixtureTransformer mixture)
    {
        var text = MixtureText.Write(mixture);
        var context = new MLContext();
        var transforms = context.Transforms;
        var chain = new EstimatorChain<ITransformer>()
            .Append(transforms.CustomMapping(new StoredKeyFactory().GetMapping(), StoredKeyFactory.Contract))
            .Append(transforms.Conversion.MapValue(TextColumn, [KeyValuePair.Create(1f, text)], KeyColumn))
            .Append(transforms.CopyColumns(FeatureColumn, mixture.FeatureColumn))
            .Append<ITransformer>(transforms.CustomMapping(new StoredMixtureFactory().GetMapping(), StoredMixtureFactory.Contract));
        switch (mixture.Kind)
        {
            case LabelKind.Number:
                chain = chain.Append<ITransformer>(transforms.CopyColumns("Score", ScoreColumn));
                break;
            case LabelKind.Boolean:
                chain = chain.Append(transforms.CopyColumns("PredictedLabel", TruthColumn)).Append(transforms.CopyColumns("Probability", ProbabilityColumn))
                    .Append<ITransformer>(transforms.CopyColumns("Score", ScoreColumn));
                break;
            default:
                var names = mixture.Names.Texts is { } texts
                    ? context.Data.LoadFromEnumerable(texts.Select(name => new ClassText { Value = name }))
                    : context.Data.LoadFromEnumerable((mixture.Names.Numbers ?? [.. Enumerable.Range(0, mixture.Scorer.Outputs)]).Select(number => new ClassNumber { Value = number }));
                chain = chain.Append(transforms.Conversion.MapValueToKey("PredictedLabel", mixture.Names.Texts is null ? NumberColumn : NameColumn, keyData: names))
                    .Append<ITransformer>(transforms.CopyColumns("Score", ScoresColumn));
                break;
        }
        if (mixture.GateColumn is { } gate)
            chain = chain.Append<ITransformer>(transforms.CopyColumns(gate, GatesColumn));
        return chain.Append(transforms.DropColumns(OwnColumns)).Fit(new RowsView(1, [RowColumn.Vector(mixture.FeatureColumn, new float[mixture.Scorer.Width], mixture.Scorer.Width)]));
    }

    /// <summary>Puts mixtures in the place of the chains that a loaded model has for them. A model without any is given back as it is.</summary>
    public static ITransformer Restore(ITransformer model)
    {
        if (model is not IEnumerable<ITransformer> chain)
            return model;
        var parts = chain.ToArray();
        if (parts is [CustomMappingTransformer<NoColumns, StoredKey> key, ValueMappingTransformer table, ..])
            return MixtureText.Read(Text(key, table));
        var restored = parts.Select(Restore).ToArray();
        return restored.SequenceEqual(parts) ? model : new TransformerChain<ITransformer>(restored);
    }

    private static string Text(CustomMappingTransformer<NoColumns, StoredKey> key, ValueMappingTransformer table)
    {
        var view = table.Transform(key.Transform(new RowsView(1, [RowColumn.Scalar("moe.Row", [0])])));
        var column = view.Schema[TextColumn];
        using var cursor = view.GetRowCursor([column]);
        var read = cursor.GetGetter<ReadOnlyMemory<char>>(column);
        cursor.MoveNext();
        ReadOnlyMemory<char> text = default;
        read(ref text);
        return text.ToString();
    }

    private sealed class ClassText
    {
        public string Value { get; set; } = "";
    }

    private sealed class ClassNumber
    {
        public float Value { get; set; }
    }
}
