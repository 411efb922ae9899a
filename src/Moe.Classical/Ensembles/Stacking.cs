using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>An expert that answers from what others answer (Wolpert 1992).</summary>
/// <remarks>It can be stored if all experts inside can.</remarks>
public sealed class Stacking : ClassicalExpert, ICompositeExpert, IStoredExpert
{
    internal const string Kind = "stacking";

    private readonly IExpert[] _members;

    internal Stacking(IExpert[] members, IExpert meta, bool passInputs)
        : base(members[0].InputWidth, meta.OutputWidth)
    {
        var width = members.Sum(member => member.OutputWidth) + (passInputs ? InputWidth : 0);
        if (meta.InputWidth != width)
            throw new ArgumentException($"Expected a meta-expert for {width} columns, got one for {meta.InputWidth}.", nameof(meta));
        (_members, Meta, PassInputs) = (members, meta, passInputs);
    }

    /// <summary>The experts that are asked first.</summary>
    public IReadOnlyList<IExpert> Members => _members;

    /// <summary>The expert that gets their answers side by side, [n, ΣDout], with the inputs behind them if they are passed on.</summary>
    public IExpert Meta { get; }

    /// <summary>Whether the inputs are passed on.</summary>
    public bool PassInputs { get; }

    /// <summary>Experts asked for one row; the meta-expert counts too.</summary>
    public double EvaluationsPerPrediction => _members.Sum(Classical.Members.Evaluations) + Classical.Members.Evaluations(Meta);

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An expert inside cannot be stored.</exception>
    public ExpertState ToState() =>
        Classical.Members.Store(new ExpertState(Kind).Set("passInputs", PassInputs).Add("meta", Classical.Members.Stored(Meta)), _members);

    internal static Stacking FromState(ExpertState state) => new(
        Classical.Members.Require(Classical.Members.Read(state), nameof(state)), StoredExperts.Read(state.Child("meta")), state.Get<bool>("passInputs"));

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        var parts = _members.Select(member => ExpertAnswers.Of(member, rows)).ToList();
        if (PassInputs)
            parts.Add(rows);
        return ExpertAnswers.Of(Meta, cat(parts, 1)).clone();
    }
}
