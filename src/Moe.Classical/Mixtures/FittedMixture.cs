using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>A fitted mixture of experts: p(y | x) = Σₖ gₖ(x) pₖ(y | x), a gate's probabilities times the experts' densities.</summary>
/// <remarks>
/// <para>As an expert it answers with the mean, or for classes with their probabilities: Σₖ gₖ(x) fₖ(x). For successes out of trials the mean is the probability of success.</para>
/// <para>Never changed after it is made; may be used on several threads at once if its experts may. Time is linear in rows, memory linear in rows × experts.</para>
/// <para>The experts are those that it was given, and are not disposed with it. Networks among them are asked as they are: put them in evaluation mode.</para>
/// </remarks>
public sealed partial class FittedMixture : ClassicalExpert, IDensityExpert, IVarianceExpert, IGatedExpert, ICompositeExpert, IStoredExpert
{
    /// <summary>Puts a mixture together from fitted parts.</summary>
    /// <param name="components">The experts, at least one, each of another name.</param>
    /// <param name="gate">The gate, for as many experts.</param>
    /// <param name="gateColumns">The columns of the rows that the gate sees; null for all.</param>
    /// <param name="kind">What is explained.</param>
    /// <param name="classes">C of <see cref="ResponseKind.Class"/>, at least 2; 0 otherwise.</param>
    /// <param name="inputWidth">D, the width of the rows; null to take that of the gate or the first expert that sees all columns, or else the last column that is seen.</param>
    /// <exception cref="ArgumentException">Parts do not fit together; the message says which.</exception>
    public FittedMixture(IReadOnlyList<MixtureComponent> components, IGate gate, IReadOnlyList<int>? gateColumns, ResponseKind kind, int classes = 0, long? inputWidth = null)
        : base(inputWidth ?? WidthOf(components, gate, gateColumns), kind == ResponseKind.Class ? Math.Max(classes, 1) : 1)
    {
        ArgumentNullException.ThrowIfNull(components);
        ArgumentNullException.ThrowIfNull(gate);
        (Components, Gate, GateColumns, Kind, Classes) = ([.. components], gate, gateColumns is null ? null : [.. gateColumns], kind, classes);
        if (kind == ResponseKind.Class ? classes < 2 : classes != 0)
            throw new ArgumentException($"Expected at least 2 classes for classes and 0 otherwise, got {classes} for {kind}.", nameof(classes));
        if (gate.Experts != Components.Count)
            throw new ArgumentException($"Expected a gate for {Components.Count} experts, got one for {gate.Experts}.", nameof(gate));
        RequireView(gate.InputWidth, GateColumns, "The gate", nameof(gate));
        foreach (var component in Components)
        {
            RequireView(component.Expert.InputWidth, component.Columns, $"Expert \"{component.Name}\"", nameof(components));
            if (component.Expert.OutputWidth != OutputWidth)
                throw new ArgumentException($"Expert \"{component.Name}\" gives rows of width {component.Expert.OutputWidth}; expected {OutputWidth}.", nameof(components));
            if (Components.Count(other => other.Name == component.Name) > 1)
                throw new ArgumentException($"More than one expert is called \"{component.Name}\".", nameof(components));
        }
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<MixtureComponent> Components { get; }

    /// <inheritdoc/>
    public int ExpertCount => Components.Count;

    /// <summary>The gate.</summary>
    public IGate Gate { get; }

    /// <summary>The columns of the rows that the gate sees; null for all.</summary>
    public IReadOnlyList<int>? GateColumns { get; }

    /// <summary>What is explained.</summary>
    public ResponseKind Kind { get; }

    /// <summary>C of <see cref="ResponseKind.Class"/>; 0 otherwise.</summary>
    public int Classes { get; }

    /// <summary>How the fit went; null for a mixture that was put together or read from a file.</summary>
    public FitReport? Report { get; internal init; }

    /// <summary>How many experts are asked for each row; null for all. Set by <see cref="WithTopK"/>.</summary>
    public int? TopK { get; private init; }

    /// <inheritdoc/>
    /// <remarks>With <see cref="WithTopK"/> that share of all, as if each were asked equally often.</remarks>
    public double EvaluationsPerPrediction => Components.Sum(component => Members.Evaluations(component.Expert)) * (TopK ?? Components.Count) / Components.Count;

    /// <summary>Free parameters of gate, experts and noise; null where some cannot be counted.</summary>
    public double? DegreesOfFreedom => Components.Aggregate(Gate.DegreesOfFreedom, (sum, component) => sum + component.DegreesOfFreedom);

    /// <summary>The same mixture that asks, for each row, only the experts that the gate makes most probable, and shares out their weights anew.</summary>
    /// <remarks>Only <c>forward</c> asks fewer experts for it; densities and <see cref="PredictEach"/> ask all. The report stays that of the whole mixture.</remarks>
    /// <param name="k">How many, from 1 to K (which changes nothing); of equally probable ones the first.</param>
    /// <returns>A mixture of the same experts. Everything it says is of the mixture with these weights.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="k"/> is out of its range.</exception>
    public FittedMixture WithTopK(int k)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, Components.Count);
        return new FittedMixture(Components, Gate, GateColumns, Kind, Classes, InputWidth) { Report = Report, TopK = k == Components.Count ? null : k };
    }

    /// <summary>The gate's probabilities.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n, K], Float64 on the CPU; each row's sum is 1. The caller owns it.</returns>
    public Tensor Gates(Tensor input)
    {
        using var scope = NewDisposeScope();
        return scope.MoveToOuter(LogGates(DataGuard.Rows(input, InputWidth, nameof(input))).exp());
    }

    /// <summary>What each expert says.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n, K, Dout], Float64 on the CPU: means, or probabilities of classes. The caller owns it.</returns>
    public Tensor PredictEach(Tensor input)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        return scope.MoveToOuter(stack([.. Components.Select(component => Answer(component, rows))], 1));
    }

    /// <inheritdoc/>
    public override string ToString() => Report?.ToString() ?? $"Mixture of {Components.Count} experts: {string.Join(", ", Components)}";

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        var gates = LogGates(rows).exp();
        var answer = zeros(rows.size(0), OutputWidth, dtype: ScalarType.Float64, device: CPU);
        for (var expert = 0; expert < Components.Count; expert++)
            AddAnswers(expert, rows, HostMemory.Of<double>(gates), HostMemory.Of<double>(answer));
        if (Kind is ResponseKind.Trials or ResponseKind.Class)
        {
            // The gate's numbers sum to 1 but for rounding.
            foreach (ref var probability in HostMemory.Of<double>(answer))
                probability = Math.Min(probability, 1);
        }
        return answer;
    }

    /// <summary>An expert's means or probabilities, [n, Dout].</summary>
    internal static Tensor Answer(MixtureComponent component, Tensor rows)
    {
        using var scope = NewDisposeScope();
        var answer = ExpertAnswers.Of(component.Expert, SeenBy(component, rows));
        return scope.MoveToOuter(component.Noise is CategoricalNoise noise ? noise.Probabilities(answer) : answer);
    }

    /// <summary>The columns that an expert sees.</summary>
    internal static Tensor SeenBy(MixtureComponent component, Tensor rows) => component.Columns is null ? rows : Classical.Columns.Of(rows, component.Columns);

    /// <summary>log g(x), [n, K]: -∞ for experts that are not asked.</summary>
    internal Tensor LogGates(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var log = Gate.LogProbabilities(GateColumns is null ? rows : Classical.Columns.Of(rows, GateColumns));
        if (TopK is { } k)
        {
            var values = HostMemory.Of<double>(log);
            for (var start = 0; start < values.Length; start += Components.Count)
                KeepMost(values.Slice(start, Components.Count), k);
        }
        return scope.MoveToOuter(log);
    }

    private static void KeepMost(Span<double> row, int k)
    {
        Span<bool> kept = row.Length <= 64 ? stackalloc bool[row.Length] : new bool[row.Length];
        for (var round = 0; round < k; round++)
        {
            var best = -1;
            for (var expert = 0; expert < row.Length; expert++)
            {
                if (!kept[expert] && (best < 0 || row[expert] > row[best]))
                    best = expert;
            }
            kept[best] = true;
        }
        for (var expert = 0; expert < row.Length; expert++)
            row[expert] = kept[expert] ? row[expert] : double.NegativeInfinity;
        LogSum.Normalise(row);
    }

    private static long WidthOf(IReadOnlyList<MixtureComponent> components, IGate gate, IReadOnlyList<int>? gateColumns)
    {
        ArgumentNullException.ThrowIfNull(components);
        ArgumentNullException.ThrowIfNull(gate);
        if (components.Count == 0)
            throw new ArgumentException("Expected at least 1 expert, got none.", nameof(components));
        if (gateColumns is null)
            return gate.InputWidth;
        return components.FirstOrDefault(component => component.Columns is null)?.Expert.InputWidth
            ?? components.SelectMany(component => component.Columns!).Concat(gateColumns).Max() + 1;
    }

    private void RequireView(long width, IReadOnlyList<int>? columns, string who, string name)
    {
        if (columns is not null)
            Classical.Columns.Require(columns, InputWidth, name);
        var seen = columns?.Count ?? InputWidth;
        if (seen != width)
            throw new ArgumentException($"{who} takes rows of width {width}, but sees {seen} columns.", name);
    }

    /// <summary>Adds g f of one expert to the sum, asking it only for the rows that have a weight for it.</summary>
    private void AddAnswers(int expert, Tensor rows, ReadOnlySpan<double> gates, Span<double> sum)
    {
        using var scope = NewDisposeScope();
        var (experts, width) = (Components.Count, (int)OutputWidth);
        long[]? asked = null;
        if (TopK is not null)
        {
            var some = new List<long>();
            for (var row = 0; row < rows.size(0); row++)
            {
                if (gates[(row * experts) + expert] > 0)
                    some.Add(row);
            }
            if (some.Count == 0)
                return;
            asked = [.. some];
        }
        var answer = HostMemory.Of<double>(Answer(Components[expert], asked is null ? rows : rows.index_select(0, tensor(asked))));
        for (var (place, at) = (0, 0); at < answer.Length; place++, at += width)
        {
            var row = asked is null ? place : (int)asked[place];
            var gate = gates[(row * experts) + expert];
            for (var column = 0; column < width; column++)
                sum[(row * width) + column] += gate * answer[at + column];
        }
    }
}
