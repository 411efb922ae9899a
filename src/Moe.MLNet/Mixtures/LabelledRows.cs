using System.Runtime.InteropServices;
using Microsoft.ML;
using Microsoft.ML.Data;
using Moe.Classical;
using static TorchSharp.torch;

namespace Moe.MLNet;

/// <summary>Reads the columns of a view that a mixture is fitted to.</summary>
internal static class LabelledRows
{
    /// <summary>The label column's kind; refuses other types.</summary>
    public static LabelKind Kind(string name, DataViewType type) => type switch
    {
        KeyDataViewType => LabelKind.Key,
        BooleanDataViewType => LabelKind.Boolean,
        _ when type.Equals(NumberDataViewType.Single) => LabelKind.Number,
        _ => throw new ArgumentException($"The label column {name} holds {type}; expected Single, a key or Boolean."),
    };

    /// <summary>A column that must be there.</summary>
    public static DataViewSchema.Column Column(DataViewSchema schema, string name) => schema.GetColumnOrNull(name)
        ?? throw new ArgumentException($"There is no column {name}; there are {string.Join(", ", schema.Select(column => column.Name).Distinct())}.");

    /// <summary>The width of the feature column, which must be a vector of Single of known size.</summary>
    public static int Width(DataViewSchema.Column features) => features.Type is VectorDataViewType { Size: > 0 } vector && vector.ItemType.Equals(NumberDataViewType.Single)
        ? vector.Size
        : throw new ArgumentException($"The feature column {features.Name} holds {features.Type}; expected a vector of Single of known size.");

    /// <summary>All rows. Tensors belong to the caller's dispose scope.</summary>
    public static FitData Read(IDataView view, MixtureEstimatorOptions options)
    {
        var features = Column(view.Schema, options.FeatureColumn);
        var label = Column(view.Schema, options.LabelColumn);
        var weight = options.WeightColumn is null ? (DataViewSchema.Column?)null : Column(view.Schema, options.WeightColumn);
        if (weight is { } column && !column.Type.Equals(NumberDataViewType.Single))
            throw new ArgumentException($"The weight column {column.Name} holds {column.Type}; expected Single.");
        var width = Width(features);
        var kind = Kind(label.Name, label.Type);
        List<float> numbers = [];
        List<double> labels = [];
        List<float> weights = [];
        using (var cursor = view.GetRowCursor(weight is null ? [features, label] : [features, label, weight.Value]))
        {
            var readFeatures = cursor.GetGetter<VBuffer<float>>(cursor.Schema[features.Index]);
            var readLabel = Label(cursor, label);
            var readWeight = weight is null ? null : cursor.GetGetter<float>(cursor.Schema[weight.Value.Index]);
            VBuffer<float> row = default;
            float one = 0;
            while (cursor.MoveNext())
            {
                if ((long)numbers.Count + width > Array.MaxLength)
                    throw new ArgumentException($"Rows are held in one array of at most {Array.MaxLength} numbers; there are more than {labels.Count} rows of {width}.", nameof(view));
                readFeatures(ref row);
                CollectionsMarshal.SetCount(numbers, numbers.Count + width);
                Dense(row, CollectionsMarshal.AsSpan(numbers)[^width..]);
                labels.Add(readLabel(labels.Count));
                if (readWeight is null)
                    continue;
                readWeight(ref one);
                weights.Add(one);
            }
        }
        if (labels.Count == 0)
            throw new ArgumentException("There are no rows to fit a mixture to.", nameof(view));
        var y = tensor(labels.ToArray());
        var response = kind switch
        {
            LabelKind.Key => Response.Class(y, checked((int)((KeyDataViewType)label.Type).Count)),
            LabelKind.Boolean => Response.Class(y, 2),
            _ => options.LabelIsCount ? Response.Count(y) : Response.Real(y),
        };
        return new FitData(tensor(numbers.ToArray()).reshape(labels.Count, width), response, weight is null ? null : tensor(weights.ToArray()));
    }

    /// <summary>A vector's numbers, those that it leaves out as 0.</summary>
    public static void Dense(in VBuffer<float> row, Span<float> destination)
    {
        if (row.Length != destination.Length)
            throw new ArgumentException($"A row holds {row.Length} features instead of {destination.Length}.");
        var values = row.GetValues();
        if (row.IsDense)
        {
            values.CopyTo(destination);
            return;
        }
        destination.Clear();
        var places = row.GetIndices();
        for (var place = 0; place < values.Length; place++)
            destination[places[place]] = values[place];
    }

    private static Func<int, double> Label(DataViewRow cursor, DataViewSchema.Column label)
    {
        var column = cursor.Schema[label.Index];
        if (label.Type is BooleanDataViewType)
            return Read<bool>(value => value ? 1 : 0);
        if (label.Type is not KeyDataViewType)
            return Read<float>(value => value);
        if (label.Type.RawType == typeof(uint))
            return Key<uint>(value => value);
        if (label.Type.RawType == typeof(byte))
            return Key<byte>(value => value);
        return label.Type.RawType == typeof(ushort) ? Key<ushort>(value => value) : Key<ulong>(value => value);

        Func<int, double> Read<T>(Func<T, double> convert)
        {
            var read = cursor.GetGetter<T>(column);
            T value = default!;
            return _ =>
            {
                read(ref value);
                return convert(value);
            };
        }

        Func<int, double> Key<T>(Func<T, double> convert)
        {
            var read = Read(convert);
            return row => read(row) is > 0 and var key ? key - 1 : throw new ArgumentException($"Row {row} has no label: the key in {label.Name} is missing.");
        }
    }
}
