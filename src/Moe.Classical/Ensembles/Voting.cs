using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Experts that vote on a class.</summary>
/// <remarks>
/// A prediction gives each class its share of the votes; with <see cref="VotingRule.Hard"/> that may be 0, so that a logarithmic loss may be infinite. Ties are settled by
/// <see cref="Classes"/>. Its experts stay the caller's. It can be stored if they all can.
/// </remarks>
public sealed class Voting : ClassicalExpert, ICompositeExpert, IStoredExpert
{
    internal const string Kind = "voting";

    private readonly IExpert[] _members;

    /// <summary>Lets experts vote.</summary>
    /// <param name="members">At least 1, all of the same widths, with probabilities of at least 2 classes. A network should be in evaluation mode.</param>
    /// <param name="rule">What is counted.</param>
    /// <exception cref="ArgumentException">There are no experts, or their widths differ, or they do not tell classes apart.</exception>
    public Voting(IEnumerable<IExpert> members, VotingRule rule = VotingRule.Hard)
        : this(Classical.Members.Require(members, nameof(members)), rule)
    {
    }

    private Voting(IExpert[] members, VotingRule rule)
        : base(members[0].InputWidth, members[0].OutputWidth)
    {
        if (OutputWidth < 2)
            throw new ArgumentException("Expected experts that give probabilities of at least 2 classes, got a width of 1.", nameof(members));
        if (!Enum.IsDefined(rule))
            throw new ArgumentException($"Expected Hard or Soft, got {rule}.", nameof(rule));
        _members = members;
        Rule = rule;
    }

    /// <summary>The experts.</summary>
    public IReadOnlyList<IExpert> Members => _members;

    /// <summary>What is counted.</summary>
    public VotingRule Rule { get; }

    /// <inheritdoc/>
    public double EvaluationsPerPrediction => _members.Sum(Classical.Members.Evaluations);

    /// <summary>The class that wins each row: most votes, among several of those the highest sum of probabilities, among several of those the lowest number.</summary>
    /// <param name="input">Rows [n, D], finite.</param>
    /// <returns>[n], Int64 on the CPU. The caller owns it.</returns>
    public Tensor Classes(Tensor input)
    {
        using var scope = NewDisposeScope();
        var rows = DataGuard.Rows(input, InputWidth, nameof(input));
        var (votes, sums) = Count(rows);
        var width = (int)OutputWidth;
        var winners = zeros(rows.size(0), dtype: ScalarType.Int64, device: CPU);
        var target = HostMemory.Of<long>(winners);
        for (var row = 0; row < target.Length; row++)
        {
            for (var (k, best) = (1, 0); k < width; k++)
            {
                var (more, at) = ((row * width) + k, (row * width) + best);
                if (votes[more] > votes[at] || (votes[more] == votes[at] && sums[more] > sums[at]))
                    target[row] = best = k;
            }
        }
        return scope.MoveToOuter(winners);
    }

    /// <inheritdoc/>
    /// <exception cref="NotSupportedException">An expert inside cannot be stored.</exception>
    public ExpertState ToState() => Classical.Members.Store(new ExpertState(Kind).Set("rule", Rule), _members);

    internal static Voting FromState(ExpertState state) => new(Classical.Members.Read(state), state.Get<VotingRule>("rule"));

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        var (votes, sums) = Count(rows);
        var shares = Rule == VotingRule.Hard ? votes : sums;
        for (var place = 0; place < shares.Length; place++)
            shares[place] /= _members.Length;
        return tensor(shares, rows.size(0), OutputWidth);
    }

    private (double[] Votes, double[] Sums) Count(Tensor rows)
    {
        var width = (int)OutputWidth;
        var (votes, sums) = (new double[rows.size(0) * width], new double[rows.size(0) * width]);
        foreach (var member in _members)
        {
            using var answer = ExpertAnswers.Of(member, rows);
            var values = HostMemory.Of<double>(answer);
            for (var start = 0; start < values.Length; start += width)
            {
                var best = 0;
                for (var k = 0; k < width; k++)
                {
                    sums[start + k] += values[start + k];
                    if (values[start + k] > values[start + best])
                        best = k;
                }
                votes[start + best]++;
            }
        }
        return (Rule == VotingRule.Hard ? votes : sums, sums);
    }
}
