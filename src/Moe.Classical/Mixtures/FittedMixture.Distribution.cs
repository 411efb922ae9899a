using System.Globalization;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <content>Variances, quantiles, intervals, drawn responses.</content>
public sealed partial class FittedMixture
{
    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">Responses are classes, or an expert's own density is taken and it has no variance.</exception>
    public Tensor PredictVariance(Tensor input) => Variance(input);

    /// <summary>The variance of a new response: that of the experts' noise, and that of their means about the mean.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="trials">[n], for successes out of trials (the variance is that of the number of successes); null for 1 each, and for other kinds.</param>
    /// <returns>[n], Float64 on the CPU. The caller owns it.</returns>
    /// <exception cref="NotSupportedException">Responses are classes, or an expert's own density is taken and it has no variance.</exception>
    public Tensor Variance(Tensor input, Tensor? trials = null)
    {
        using var scope = NewDisposeScope();
        var distribution = DistributionOf(input, trials, out _);
        var answer = NoiseNumbers.New(distribution.Rows);
        distribution.Variance(HostMemory.Of<double>(answer));
        return scope.MoveToOuter(answer);
    }

    /// <summary>P(response ≤ value) of each row.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="values">[n], one value a row.</param>
    /// <param name="trials">As for <see cref="Variance"/>.</param>
    /// <returns>[n], Float64 on the CPU. The caller owns it.</returns>
    /// <exception cref="NotSupportedException">Responses are classes, or an expert's own density is taken and it has no variance.</exception>
    public Tensor Cumulative(Tensor input, Tensor values, Tensor? trials = null)
    {
        using var scope = NewDisposeScope();
        var distribution = DistributionOf(input, trials, out _);
        var column = DataGuard.Column(values, nameof(values));
        if (column.size(0) != distribution.Rows)
            throw new ArgumentException($"Expected a value for each of {distribution.Rows} rows, got {column.size(0)}.", nameof(values));
        var answer = NoiseNumbers.New(distribution.Rows);
        distribution.Cumulative(column, HostMemory.Of<double>(answer));
        return scope.MoveToOuter(answer);
    }

    /// <summary>The smallest value that a new response is at most with the given probability. Found by bisection on <see cref="Cumulative"/>, for every kind of noise.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="probability">Above 0 and below 1.</param>
    /// <param name="trials">As for <see cref="Variance"/>.</param>
    /// <returns>[n], Float64 on the CPU; a whole number for counts and successes. The caller owns it.</returns>
    /// <exception cref="NotSupportedException">Responses are classes, or an expert's own density is taken and it has no variance.</exception>
    public Tensor Quantile(Tensor input, double probability, Tensor? trials = null)
    {
        Probability(probability, nameof(probability));
        using var scope = NewDisposeScope();
        var distribution = DistributionOf(input, trials, out var all);
        var wanted = new double[distribution.Rows];
        Array.Fill(wanted, probability);
        return scope.MoveToOuter(QuantileSearch.Find(distribution, wanted, Kind, all));
    }

    /// <summary>The central interval in which a new response lies with the given probability (at least that, for counts and successes).</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="level">Above 0 and below 1.</param>
    /// <param name="trials">As for <see cref="Variance"/>.</param>
    /// <returns>Two tensors [n], Float64 on the CPU: the quantiles at (1 - level)/2 and (1 + level)/2. The caller owns them.</returns>
    /// <exception cref="NotSupportedException">Responses are classes, or an expert's own density is taken and it has no variance.</exception>
    public (Tensor Lower, Tensor Upper) Interval(Tensor input, double level = 0.95, Tensor? trials = null)
    {
        Probability(level, nameof(level));
        using var scope = NewDisposeScope();
        var distribution = DistributionOf(input, trials, out var all);
        var wanted = new double[distribution.Rows];
        Array.Fill(wanted, 0.5 * (1 - level));
        var lower = QuantileSearch.Find(distribution, wanted, Kind, all);
        Array.Fill(wanted, 0.5 * (1 + level));
        return scope.MoveToOuter(lower, QuantileSearch.Find(distribution, wanted, Kind, all));
    }

    /// <summary>Draws a response for each row.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <param name="seed">The same seed draws the same.</param>
    /// <param name="trials">As for <see cref="Variance"/>.</param>
    /// <returns>n responses of the kind that was fitted. The caller owns its tensors.</returns>
    public Response Sample(Tensor input, int seed, Tensor? trials = null)
    {
        using var scope = NewDisposeScope();
        var random = new Random(seed);
        if (Kind == ResponseKind.Class)
            return Response.Class(scope.MoveToOuter(DrawnClasses(forward(input), random)), Classes);
        var distribution = DistributionOf(input, trials, out var all);
        var wanted = new double[distribution.Rows];
        for (var row = 0; row < wanted.Length; row++)
            wanted[row] = Math.Clamp(random.NextDouble(), 1e-12, 1 - 1e-12);
        var drawn = scope.MoveToOuter(QuantileSearch.Find(distribution, wanted, Kind, all));
        return Kind switch
        {
            ResponseKind.Count => Response.Count(drawn),
            ResponseKind.Trials => Response.Binomial(drawn, trials ?? ones_like(drawn).MoveToOuterDisposeScope()),
            _ => Response.Real(drawn),
        };
    }

    private static Tensor DrawnClasses(Tensor probabilities, Random random)
    {
        using var plain = probabilities.to(ScalarType.Float64);
        var values = HostMemory.Of<double>(plain);
        var answer = NoiseNumbers.New(plain.size(0));
        var drawn = HostMemory.Of<double>(answer);
        var classes = (int)plain.size(1);
        for (var row = 0; row < drawn.Length; row++)
        {
            var (left, label) = (random.NextDouble(), 0);
            while (label < classes - 1 && (left -= values[(row * classes) + label]) >= 0)
                label++;
            drawn[row] = label;
        }
        return answer;
    }

    private static void Probability(double value, string name)
    {
        if (!(value > 0 && value < 1))
            throw new ArgumentOutOfRangeException(name, value, $"Expected {name} above 0 and below 1, got {value.ToString(CultureInfo.InvariantCulture)}.");
    }

    private MixtureDistribution DistributionOf(Tensor input, Tensor? trials, out Tensor? column)
    {
        if (Kind == ResponseKind.Class)
            throw new NotSupportedException("Classes have neither variance nor quantiles; ask for their probabilities.");
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        column = null;
        if (Kind == ResponseKind.Trials)
        {
            column = trials is null ? ones(rows.size(0), dtype: ScalarType.Float64, device: CPU) : DataGuard.Column(trials, nameof(trials));
            if (column.size(0) != rows.size(0))
                throw new ArgumentException($"Expected trials for each of {rows.size(0)} rows, got {column.size(0)}.", nameof(trials));
            DataGuard.Whole(column, long.MaxValue, "a number of trials", nameof(trials));
        }
        else if (trials is not null)
        {
            throw new ArgumentException($"Only successes out of trials have trials; the mixture was fitted to {Kind}.", nameof(trials));
        }
        return new MixtureDistribution(this, rows, column);
    }
}
