using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Refuses data that no model could learn from or answer, before anything native sees it. Messages give row, value and rule.</summary>
internal static class DataGuard
{
    /// <summary>Rows of a width, finite, as contiguous Float64 on the CPU.</summary>
    public static Tensor Rows([NotNull] Tensor? rows, long width, string name)
    {
        var matrix = Matrix(rows, name);
        if (matrix.size(1) != width)
            throw new ArgumentException($"Expected {name} of shape [n, {width}], got [{matrix.size(0)}, {matrix.size(1)}].", name);
        return matrix;
    }

    /// <summary>A matrix, finite, as contiguous Float64 on the CPU: the given tensor where it is so already.</summary>
    public static Tensor Matrix([NotNull] Tensor? matrix, string name)
    {
        Alive(matrix, name);
        if (matrix.dim() != 2 || matrix.size(1) < 1)
            throw new ArgumentException($"Expected {name} of shape [n, D] with D at least 1, got [{string.Join(", ", matrix.shape)}].", name);
        return Finite(matrix, name);
    }

    /// <summary>One number a row, [n] or [n, 1], finite, as contiguous Float64 [n] on the CPU.</summary>
    public static Tensor Column([NotNull] Tensor? column, string name)
    {
        Alive(column, name);
        if (column.dim() is not 1 && (column.dim() != 2 || column.size(1) != 1))
            throw new ArgumentException($"Expected {name} of shape [n] or [n, 1], got [{string.Join(", ", column.shape)}].", name);
        return Finite(column.dim() == 1 ? column : column.reshape(-1), name);
    }

    /// <summary>Weights: one a row, finite, none negative, their sum above 0.</summary>
    public static Tensor Weights(Tensor? weights, long rows, string name)
    {
        var column = Column(weights, name);
        if (column.size(0) != rows)
            throw new ArgumentException($"Expected {name} of shape [{rows}], one for each row, got [{column.size(0)}].", name);
        Each(column, value => value >= 0, value => $"Row {{0}} of {name} is {value}; weights must be at least 0.", name);
        var sum = 0.0;
        foreach (var weight in HostMemory.Of<double>(column))
            sum += weight;
        if (!(sum > 0) || double.IsInfinity(sum))
            throw new ArgumentException($"The sum of {name} is {sum}; it must be above 0 and finite.", name);
        return column;
    }

    /// <summary>Every value is a whole number from 0 to <paramref name="most"/>.</summary>
    public static void Whole(Tensor column, long most, string what, string name) =>
        Each(column, value => value >= 0 && value <= most && Math.Floor(value) == value, value => $"Row {{0}} of {name} is {value}, which is not {what}.", name);

    /// <summary>A rule holds for every value; the message's {0} is the first row for which it does not.</summary>
    public static void Each(Tensor column, Func<double, bool> rule, Func<string, string> message, string name)
    {
        var values = HostMemory.Of<double>(column);
        for (var row = 0; row < values.Length; row++)
        {
            if (!rule(values[row]))
                throw new ArgumentException(string.Format(CultureInfo.InvariantCulture, message(values[row].ToString(CultureInfo.InvariantCulture)), row), name);
        }
    }

    /// <summary>Indices of rows that there are.</summary>
    public static void Index([NotNull] Tensor? rows, long count, string name)
    {
        Alive(rows, name);
        if (rows.dtype != ScalarType.Int64 || rows.dim() != 1 || rows.device_type != TorchSharp.DeviceType.CPU || !rows.is_contiguous())
            throw new ArgumentException($"Expected {name} of shape [m] and type Int64, contiguous on the CPU, got [{string.Join(", ", rows.shape)}] of {rows.dtype} on {rows.device}.", name);
        foreach (var row in HostMemory.Of<long>(rows))
        {
            if (row < 0 || row >= count)
                throw new ArgumentException($"Expected {name} from 0 to {count - 1}, got {row}.", name);
        }
    }

    /// <summary>Not null, not disposed, of a type of numbers.</summary>
    public static void Alive([NotNull] Tensor? tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.IsInvalid)
            throw new ObjectDisposedException(name, $"The tensor given as {name} has been disposed.");
        if (tensor.dtype is ScalarType.ComplexFloat32 or ScalarType.ComplexFloat64)
            throw new ArgumentException($"Expected {name} of a type of real numbers, got {tensor.dtype}.", name);
        if (tensor.device_type == TorchSharp.DeviceType.META)
            throw new ArgumentException($"Expected {name} on a device that holds numbers, got {tensor.device}.", name);
    }

    private static Tensor Finite(Tensor tensor, string name)
    {
        var numbers = Plain(tensor);
        var values = HostMemory.Of<double>(numbers);
        for (var place = 0; place < values.Length; place++)
        {
            if (!double.IsFinite(values[place]))
            {
                var width = numbers.dim() == 2 ? (int)numbers.size(1) : 1;
                var column = numbers.dim() == 2 ? $", column {place % width}" : "";
                throw new ArgumentException($"Row {place / width}{column} of {name} is {values[place].ToString(CultureInfo.InvariantCulture)}; every number must be finite.", name);
            }
        }
        return numbers;
    }

    /// <summary>Contiguous Float64 on the CPU without gradients: the tensor itself if it is so.</summary>
    private static Tensor Plain(Tensor tensor)
    {
        if (tensor.dtype == ScalarType.Float64 && tensor.device_type == TorchSharp.DeviceType.CPU && tensor.is_contiguous() && !tensor.requires_grad)
            return tensor;
        using var detached = tensor.detach();
        using var moved = detached.to(ScalarType.Float64, CPU);
        return moved.contiguous();
    }
}
