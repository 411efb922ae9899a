using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing.Tests;

/// <summary>The contract lets right experts pass, and catches each wrong one by the law that is named for what is wrong.</summary>
public sealed class ExpertContractTests
{
    private static readonly Tensor[] Kept = new Tensor[1];

    private static readonly Dictionary<string, (ExpertLaw Law, Func<IExpert> Make)> Broken = new()
    {
        ["answers in another width"] = (ExpertLaw.StatedShape, () => new Rule(rows => rows.narrow(1, 0, 3))),
        ["answers in another type"] = (ExpertLaw.StatedShape, () => new Rule(rows => rows.to(ScalarType.Float64))),
        ["cannot answer no rows"] = (ExpertLaw.StatedShape, () => new Rule(rows => rows - rows.amax([0]))),
        ["looks at other rows"] = (ExpertLaw.RowsAreAnsweredAlone, () => new Rule(rows => rows - rows.mean([0]))),
        ["looks at the order of rows"] = (ExpertLaw.RowsAreAnsweredAlone, () => new Rule(rows => rows.cumsum(0))),
        ["draws in evaluation mode"] = (ExpertLaw.DeterministicEvaluation, () => new Rule(rows => rows + rand_like(rows))),
        ["changes its input"] = (ExpertLaw.InputIsLeftAlone, () => new Rule(rows => rows.add_(1).clone())),
        ["disposes its input"] = (ExpertLaw.InputIsLeftAlone, () => new Rule(rows =>
        {
            var answer = rows + 1;
            rows.Dispose();
            return answer;
        })),
        ["hands its input back"] = (ExpertLaw.InputIsLeftAlone, () => new Rule(rows => rows)),
        ["has a gradient that is NaN"] = (ExpertLaw.FiniteGradients, () => new Network(rows => (rows - rows).sqrt())),
        ["keeps a tensor of each call"] = (ExpertLaw.NothingLeaks, () => new Rule(rows => rows + (Kept[0] = ones_like(rows).DetachFromDisposeScope()))),
        ["answers a layer with another height"] = (ExpertLaw.WorksInLayer, () => new Rule(rows => rows.narrow(0, 0, Math.Min(rows.size(0), 2)))),
    };

    public static TheoryData<string> BrokenNames { get; } = [.. Broken.Keys];

    public static TheoryData<ExpertLaw> Laws { get; } = [.. ExpertContract.Laws];

    [Theory]
    [MemberData(nameof(Laws))]
    public void Experts_with_nothing_wrong_obey_every_law(ExpertLaw law)
    {
        new ExpertContract(() => new FeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 5, OutputWidth = 3 })).Check(law).Should().BeEmpty();
        new ExpertContract(() => new LinearExpert(4, 3, dtype: ScalarType.Float64), ScalarType.Float64).Check(law).Should().BeEmpty();
        new ExpertContract(() => new Rule(rows => rows * 2)).Check(law).Should().BeEmpty();
    }

    [Theory]
    [MemberData(nameof(BrokenNames))]
    public void A_broken_expert_is_caught_by_the_law_that_is_named_for_it(string what)
    {
        var (law, make) = Broken[what];

        new ExpertContract(make).Check(law).Should().NotBeEmpty("an expert that {0} breaks {1}", what, law);
    }

    [Fact]
    public void Every_law_is_shown_to_notice() => Broken.Values.Select(broken => broken.Law).Distinct().Should().BeEquivalentTo(ExpertContract.Laws);

    private sealed class Rule(Func<Tensor, Tensor> answer) : IExpert
    {
        public long InputWidth => 4;

        public long OutputWidth => 4;

        public Tensor forward(Tensor input) => answer(input);
    }

    private sealed class Network(Func<Tensor, Tensor> answer) : nn.Module<Tensor, Tensor>(nameof(Network)), IExpert
    {
        public long InputWidth => 4;

        public long OutputWidth => 4;

        public override Tensor forward(Tensor input) => answer(input);
    }
}
