using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A linear function of rows, mapped.</summary>
internal static class LinearFunction
{
    /// <summary>map(b₀ + x b) of each row, [n, 1], new.</summary>
    /// <param name="rows">[n, D], contiguous Float64 on the CPU.</param>
    /// <param name="coefficients">[D + 1], the intercept first.</param>
    /// <param name="map">The inverse link.</param>
    public static Tensor Of(Tensor rows, double[] coefficients, Func<double, double> map)
    {
        var answer = empty(rows.size(0), 1, dtype: ScalarType.Float64, device: CPU);
        var source = HostMemory.Of<double>(rows);
        var target = HostMemory.Of<double>(answer);
        var width = coefficients.Length - 1;
        var slopes = coefficients.AsSpan(1);
        for (var row = 0; row < target.Length; row++)
            target[row] = map(coefficients[0] + Products.Dot(source.Slice(row * width, width), slopes));
        GC.KeepAlive(rows);
        return answer;
    }

    /// <summary>density(b₀ + x b, y, trials) of each row, [n], new.</summary>
    public static Tensor Density(Tensor rows, double[] coefficients, Response response, Func<double, double, double, double> density)
    {
        var answer = Of(rows, coefficients, linear => linear).reshape(-1);
        var target = HostMemory.Of<double>(answer);
        var values = HostMemory.Of<double>(response.Values);
        var trials = response.Trials is null ? default : HostMemory.Of<double>(response.Trials);
        for (var row = 0; row < target.Length; row++)
            target[row] = density(target[row], values[row], trials.IsEmpty ? 1 : trials[row]);
        GC.KeepAlive(response);
        return answer;
    }

    /// <summary>Refuses a response of another kind or length.</summary>
    public static void Require(Response response, ResponseKind kind, long rows)
    {
        ArgumentNullException.ThrowIfNull(response);
        if (response.Kind != kind)
            throw new ArgumentException($"Expected a response of kind {kind}, got {response.Kind}.", nameof(response));
        if (response.Rows != rows)
            throw new ArgumentException($"Expected a response for each of {rows} rows, got {response.Rows}.", nameof(response));
    }
}
