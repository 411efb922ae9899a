using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The mean of experts that were each fitted to rows drawn with replacement (Breiman 1996).</summary>
/// <remarks>It can be stored if its experts all can.</remarks>
public sealed class Bagging : ClassicalExpert, ICompositeExpert, IOutOfSample, IStoredExpert
{
    internal const string Kind = "bagging";

    private readonly IExpert[] _members;
    private readonly double[] _weights;
    private readonly Tensor _outOfBag;

    internal Bagging(IExpert[] members, Tensor outOfBag)
        : base(members[0].InputWidth, members[0].OutputWidth)
    {
        _members = members;
        _weights = [.. members.Select(_ => 1.0 / members.Length)];
        _outOfBag = outOfBag;
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<IExpert> Members => _members;

    /// <inheritdoc/>
    public double EvaluationsPerPrediction => _members.Sum(Classical.Members.Evaluations);

    /// <summary>For each row of the fit the mean over the experts that did not draw it: out of bag.</summary>
    /// <returns>[n, Dout], Float64 on the CPU. A row that every expert drew gets the weighted mean of the other rows' responses. The caller owns it.</returns>
    public Tensor OutOfSample() => _outOfBag.clone();

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An expert inside cannot be stored.</exception>
    public ExpertState ToState() => Classical.Members.Store(new ExpertState(Kind).Add("outOfBag", _outOfBag), _members);

    internal static Bagging FromState(ExpertState state)
    {
        var members = Classical.Members.Require(Classical.Members.Read(state), nameof(state));
        return new Bagging(members, state.GetTensor("outOfBag", -1, members[0].OutputWidth));
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows) => Classical.Members.Sum(_members, _weights, rows);
}
