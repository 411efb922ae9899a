using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>What the classes of a key stand for: the label column's annotation KeyValues, if it holds texts or numbers of type Single.</summary>
internal sealed record ClassNames(string[]? Texts, float[]? Numbers)
{
    private const string KeyValues = "KeyValues";

    public static ClassNames None { get; } = new(null, null);

    /// <summary>The names of a key column's values.</summary>
    public static ClassNames Of(DataViewSchema.Column label)
    {
        if (label.Annotations.Schema.GetColumnOrNull(KeyValues) is not { Type: VectorDataViewType vector })
            return None;
        if (vector.ItemType is TextDataViewType)
        {
            VBuffer<ReadOnlyMemory<char>> texts = default;
            label.GetKeyValues(ref texts);
            return new ClassNames([.. texts.DenseValues().Select(text => text.ToString())], null);
        }
        if (!vector.ItemType.Equals(NumberDataViewType.Single))
            return None;
        VBuffer<float> numbers = default;
        label.GetKeyValues(ref numbers);
        return new ClassNames(null, [.. numbers.DenseValues()]);
    }

    /// <summary>The annotations of a predicted label that has these names.</summary>
    public DataViewSchema.Annotations? ForLabel() => Texts is not null ? TextAnnotation(KeyValues) : Numbers is not null ? Annotation(KeyValues, NumberDataViewType.Single, Numbers) : null;

    /// <summary>The annotations of a vector with a probability for each class.</summary>
    public DataViewSchema.Annotations? ForScores() => Texts is not null ? TextAnnotation("SlotNames") : null;

    private DataViewSchema.Annotations TextAnnotation(string kind) =>
        Annotation(kind, TextDataViewType.Instance, [.. Texts!.Select(text => text.AsMemory())]);

    private static DataViewSchema.Annotations Annotation<T>(string kind, PrimitiveDataViewType type, T[] values)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        builder.Add<VBuffer<T>>(kind, new VectorDataViewType(type, values.Length), (ref VBuffer<T> value) =>
        {
            var editor = VBufferEditor.Create(ref value, values.Length);
            values.CopyTo(editor.Values);
            value = editor.Commit();
        });
        return builder.ToAnnotations();
    }
}
