using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>One column over arrays in memory: its name, its type, and how to read it at the row where a cursor is.</summary>
internal sealed record RowColumn(string Name, DataViewType Type, Func<Func<int>, Delegate> Getter)
{
    /// <summary>A vector of Single a row.</summary>
    public static RowColumn Vector(string name, float[] values, int width) =>
        new(name, new VectorDataViewType(NumberDataViewType.Single, width), row => (ValueGetter<VBuffer<float>>)((ref VBuffer<float> value) =>
        {
            var editor = VBufferEditor.Create(ref value, width);
            values.AsSpan(row() * width, width).CopyTo(editor.Values);
            value = editor.Commit();
        }));

    /// <summary>One column of a matrix as a Single a row.</summary>
    public static RowColumn Scalar(string name, float[] values, int width = 1, int column = 0) =>
        new(name, NumberDataViewType.Single, row => (ValueGetter<float>)((ref float value) => value = values[(row() * width) + column]));

    /// <summary>A class a row, as ML.NET counts them: from 1.</summary>
    public static RowColumn Key(string name, uint[] values, int classes) =>
        new(name, new KeyDataViewType(typeof(uint), classes), row => (ValueGetter<uint>)((ref uint value) => value = values[row()]));

    /// <summary>1 in rows of one class, 0 in others.</summary>
    public static RowColumn Indicator(string name, uint[] values, uint key) =>
        new(name, NumberDataViewType.Single, row => (ValueGetter<float>)((ref float value) => value = values[row()] == key ? 1 : 0));

    /// <summary>A column that a model asks for but does not use to predict, such as the label: always its type's default.</summary>
    public static RowColumn Default(string name, DataViewType type) => new(name, type, _ => Delegates.Default(type.RawType));

    private static class Delegates
    {
        public static Delegate Default(Type type) =>
            (Delegate)typeof(Delegates).GetMethod(nameof(Of))!.MakeGenericMethod(type).Invoke(null, null)!;

        public static ValueGetter<T> Of<T>() => (ref T value) => value = default!;
    }
}
