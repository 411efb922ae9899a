using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The mean of several experts' answers: of means, or of the probabilities of classes.</summary>
/// <remarks>Its experts stay the caller's. It can be stored if they all can.</remarks>
public sealed class Averaging : ClassicalExpert, ICompositeExpert, IStoredExpert
{
    internal const string Kind = "averaging";

    private readonly IExpert[] _members;
    private readonly double[] _weights;

    /// <summary>Averages experts.</summary>
    /// <param name="members">At least 1, all of the same widths. A network should be in evaluation mode.</param>
    /// <param name="weights">One an expert, finite, at least 0, with a sum above 0; divided by their sum. Null for equal ones.</param>
    /// <exception cref="ArgumentException">There are no experts, or their widths differ, or weights are out of range.</exception>
    public Averaging(IEnumerable<IExpert> members, IReadOnlyList<double>? weights = null)
        : this(Classical.Members.Require(members, nameof(members)), weights)
    {
    }

    private Averaging(IExpert[] members, IReadOnlyList<double>? weights)
        : base(members[0].InputWidth, members[0].OutputWidth)
    {
        _members = members;
        _weights = weights is null ? [.. members.Select(_ => 1.0)] : [.. weights];
        if (_weights.Length != members.Length)
            throw new ArgumentException($"Expected a weight for each of {members.Length} experts, got {_weights.Length}.", nameof(weights));
        var sum = _weights.Sum();
        if (!(sum > 0) || !double.IsFinite(sum) || _weights.Any(weight => weight < 0))
            throw new ArgumentException($"Expected weights of at least 0 with a finite sum above 0, got {string.Join(", ", _weights)}.", nameof(weights));
        for (var member = 0; member < _weights.Length; member++)
            _weights[member] /= sum;
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<IExpert> Members => _members;

    /// <summary>What share each expert has; their sum is 1.</summary>
    public IReadOnlyList<double> Weights => _weights;

    /// <inheritdoc/>
    public double EvaluationsPerPrediction => _members.Sum(Classical.Members.Evaluations);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An expert inside cannot be stored.</exception>
    public ExpertState ToState() => Classical.Members.Store(new ExpertState(Kind).Set("weights", _weights), _members);

    internal static Averaging FromState(ExpertState state) => new(Classical.Members.Read(state), state.Get<double[]>("weights"));

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows) => Classical.Members.Sum(_members, _weights, rows);
}
