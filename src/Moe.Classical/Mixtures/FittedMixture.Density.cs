using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <content>How likely responses are, and which expert they come from.</content>
public sealed partial class FittedMixture
{
    /// <inheritdoc/>
    public Tensor LogDensity(Tensor input, Response response)
    {
        using var scope = NewDisposeScope();
        var joint = HostMemory.Of<double>(LogJoint(input, response));
        var answer = empty(response.Rows, dtype: ScalarType.Float64, device: CPU);
        var log = HostMemory.Of<double>(answer);
        for (var row = 0; row < log.Length; row++)
            log[row] = LogSum.Of(joint.Slice(row * Components.Count, Components.Count));
        return scope.MoveToOuter(answer);
    }

    /// <summary>The sum of <see cref="LogDensity"/> over the rows, each times its weight.</summary>
    /// <param name="data">Rows, responses and weights.</param>
    public double LogLikelihood(FitData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        using var scope = NewDisposeScope();
        var log = HostMemory.Of<double>(LogDensity(data.Inputs, data.Response));
        var weight = NoiseNumbers.Weights(data.Weights);
        var sum = 0.0;
        for (var row = 0; row < log.Length; row++)
            sum += weight.IsEmpty ? log[row] : weight[row] == 0 ? 0 : weight[row] * log[row];
        return sum;
    }

    /// <summary>How probable it is, given row and response, that each expert made the response: gₖ pₖ(y) / Σ g p(y).</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="response">n entries of the kind that was fitted.</param>
    /// <returns>[n, K], Float64 on the CPU; each row's sum is 1. A row that no expert makes possible gets the gate's probabilities. The caller owns it.</returns>
    public Tensor Responsibilities(Tensor input, Response response)
    {
        using var scope = NewDisposeScope();
        var answer = LogJoint(input, response);
        var joint = HostMemory.Of<double>(answer);
        Tensor? gates = null;
        for (var start = 0; start < joint.Length; start += Components.Count)
        {
            var row = joint.Slice(start, Components.Count);
            if (double.IsNegativeInfinity(LogSum.Of(row)))
            {
                gates ??= LogGates(DataGuard.Rows(input, InputWidth, nameof(input)));
                HostMemory.Of<double>(gates).Slice(start, Components.Count).CopyTo(row);
            }
            LogSum.Normalise(row);
            for (var expert = 0; expert < row.Length; expert++)
                row[expert] = Math.Exp(row[expert]);
        }
        return scope.MoveToOuter(answer);
    }

    /// <summary>The expert with the greatest responsibility for each row; of equal ones the first.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="response">n entries of the kind that was fitted.</param>
    /// <returns>[n], Int64 on the CPU, from 0 to K - 1. The caller owns it.</returns>
    public Tensor Assign(Tensor input, Response response)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Greatest(Responsibilities(input, response)));
    }

    /// <summary>The expert that the gate makes most probable for each row, without a response; of equal ones the first.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n], Int64 on the CPU, from 0 to K - 1. The caller owns it.</returns>
    public Tensor Route(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(Greatest(LogGates(DataGuard.Rows(input, InputWidth, nameof(input)))));
    }

    private static Tensor Greatest(Tensor matrix)
    {
        var values = HostMemory.Of<double>(matrix);
        var answer = empty(matrix.size(0), dtype: ScalarType.Int64, device: CPU);
        var best = HostMemory.Of<long>(answer);
        var width = (int)matrix.size(1);
        for (var row = 0; row < best.Length; row++)
        {
            var (greatest, start) = (0, row * width);
            for (var column = 1; column < width; column++)
            {
                if (values[start + column] > values[start + greatest])
                    greatest = column;
            }
            best[row] = greatest;
        }
        return answer;
    }

    /// <summary>log g + log p(y), [n, K].</summary>
    private Tensor LogJoint(Tensor input, Response response)
    {
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        ArgumentNullException.ThrowIfNull(response);
        if (response.Kind != Kind || response.Classes != Classes)
            throw new ArgumentException($"Expected a response of kind {Kind} with {Classes} classes, got {response.Kind} with {response.Classes}.", nameof(response));
        if (response.Rows != rows.size(0))
            throw new ArgumentException($"Expected a response for each of {rows.size(0)} rows, got {response.Rows}.", nameof(response));
        using var scope = NewDisposeScope();
        var answer = LogGates(rows);
        var joint = HostMemory.Of<double>(answer);
        for (var expert = 0; expert < Components.Count && response.Rows > 0; expert++)
        {
            using var inner = NewDisposeScope();
            var log = HostMemory.Of<double>(LogDensityOf(Components[expert], rows, response));
            for (var (row, place) = (0, expert); row < log.Length; row++, place += Components.Count)
                joint[place] += log[row];
        }
        return scope.MoveToOuter(answer);
    }

    private static Tensor LogDensityOf(MixtureComponent component, Tensor rows, Response response) => component.Noise is { } noise
        ? noise.LogDensity(ExpertAnswers.Of(component.Expert, SeenBy(component, rows)), response)
        : ((IDensityExpert)component.Expert).LogDensity(SeenBy(component, rows), response);
}
