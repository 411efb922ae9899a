using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class MixtureInputLawTests
{
    private static readonly EmOptions Quick = new() { Restarts = 2, MaxIterations = 30 };
    private static readonly LinearLearner Line = new();

    [Fact]
    public void More_experts_than_rows_are_refused_with_both_numbers()
    {
        using var scope = NewDisposeScope();
        var learner = MixtureLearner.Alike(5, Line, Quick);
        FluentActions.Invoking(() => learner.Fit(Lawful.Data(ResponseKind.Real, rows: 4))).Should().Throw<ArgumentException>().WithMessage("*5 experts*4 rows*");
        var weights = Enumerable.Range(0, Lawful.Rows).Select(row => row < 3 ? 1.0 : 0).ToArray();
        FluentActions.Invoking(() => learner.Fit(Lawful.Data(ResponseKind.Real).WithWeights(tensor(weights)))).Should().Throw<ArgumentException>().WithMessage("*5 experts*3 rows*");
    }

    [Fact]
    public void Members_of_another_kind_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var members = new MixtureMember[] { new("line", Line), new("counter", new GlmLearner(GlmFamily.Poisson)) };
        var learner = new MixtureLearner(members, Quick);
        foreach (var kind in Enum.GetValues<ResponseKind>())
        {
            learner.Takes(kind).Should().BeFalse();
            FluentActions.Invoking(() => learner.Fit(Lawful.Data(kind))).Should().Throw<ArgumentException>().WithMessage($"*does not take*{kind}*");
        }
        var foreign = new MixtureLearner([new MixtureMember("line", Line) { Noise = new PoissonNoiseFamily() }, new MixtureMember("other", Line)], Quick);
        FluentActions.Invoking(() => foreign.Fit(Lawful.Data(ResponseKind.Real))).Should().Throw<ArgumentException>().WithMessage("*\"line\"*Real*");
        var wide = new MixtureLearner([new MixtureMember("line", Line), new MixtureMember("wide", new Fixed(7, 1))], Quick);
        FluentActions.Invoking(() => wide.Fit(Lawful.Data(ResponseKind.Real))).Should().Throw<ArgumentException>().WithMessage("*\"wide\"*7*3*");
        var beyond = new MixtureLearner([new MixtureMember("line", Line), new MixtureMember("far", Line) { Columns = [0, 9] }], Quick);
        FluentActions.Invoking(() => beyond.Fit(Lawful.Data(ResponseKind.Real))).Should().Throw<ArgumentException>().WithMessage("*0 to 2*9*");
    }

    [Fact]
    public void Members_are_there_and_have_names_of_their_own()
    {
        FluentActions.Invoking(() => new MixtureLearner([])).Should().Throw<ArgumentException>().WithMessage("*at least 1*");
        FluentActions.Invoking(() => new MixtureLearner([new MixtureMember("one", Line), null!])).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new MixtureLearner([new MixtureMember("one", Line), new MixtureMember("one", Line)])).Should().Throw<ArgumentException>().WithMessage("*\"one\"*");
        FluentActions.Invoking(() => MixtureLearner.Alike(0, Line)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => new MixtureMember(" ", Line)).Should().Throw<ArgumentException>();
        FluentActions.Invoking(() => MixtureLearner.Alike(2, Line, gateColumns: [4]).Fit(Lawful.Data(ResponseKind.Real))).Should().Throw<ArgumentException>().WithMessage("*0 to 2*4*");
    }

    [Fact]
    public void One_expert_alone_is_that_expert()
    {
        using var scope = NewDisposeScope();
        foreach (var name in new[] { "linear: Real", "tree: Real", "poisson: Count", "binomial: Trials", "softmax: Class" })
        {
            var (learner, kind) = Lawful.Case(name);
            var data = Lawful.Data(kind);
            var mixture = MixtureLearner.Alike(1, learner, Quick).Fit(data);
            BadInputLawTests.Near(Lawful.Doubles(mixture.forward(data.Inputs)), Lawful.Doubles(learner.Fit(data, FitContext.Default).forward(data.Inputs)), 1e-6);
            Lawful.Doubles(mixture.Gates(data.Inputs)).Should().OnlyContain(share => share == 1);
        }
    }

    [Fact]
    public void Starting_responsibilities_of_another_shape_or_out_of_range_are_refused()
    {
        using var scope = NewDisposeScope();
        var (learner, data) = (MixtureLearner.Alike(2, Line, Quick), Lawful.Data(ResponseKind.Real));
        var zero = ones(Lawful.Rows, 2, dtype: ScalarType.Float64);
        zero[5].zero_();
        var negative = ones(Lawful.Rows, 2, dtype: ScalarType.Float64);
        negative[6, 1] = -0.5;
        var refusals = new (Tensor Shares, string Message)[]
        {
            (ones(Lawful.Rows, 3), "*[n, 2]*[24, 3]*"),
            (ones(7, 2), "*[24, 2]*[7, 2]*"),
            (ones(Lawful.Rows), "*[n, D]*[24]*"),
            (zero, "*Row 5*above 0*"),
            (negative, "*Row 6*-0.5*at least 0*"),
            (full(Lawful.Rows, 2, double.NaN), "*Row 0*NaN*finite*"),
        };
        foreach (var (shares, message) in refusals)
            FluentActions.Invoking(() => learner.Fit(data, responsibilities: shares)).Should().Throw<ArgumentException>().WithMessage(message);
        var huge = full(Lawful.Rows, 2, 1e308, dtype: ScalarType.Float64);
        Lawful.Fault(learner.Fit(data, responsibilities: huge), data, data).Should().BeNull();
    }

    [Fact]
    public void Where_every_start_fails_one_message_says_why()
    {
        using var scope = NewDisposeScope();
        var stubborn = new Stubborn();
        // An expert that cannot be fitted is left out where there are others.
        new MixtureLearner([new MixtureMember("line", Line), new MixtureMember("other", stubborn)], Quick).Fit(Lawful.Data(ResponseKind.Real)).Report!.Dropped.Should().Equal("other");
        var learner = new MixtureLearner([new MixtureMember("first", stubborn), new MixtureMember("second", stubborn)], Quick);
        FluentActions.Invoking(() => learner.Fit(Lawful.Data(ResponseKind.Real))).Should().Throw<ArgumentException>().WithMessage("*None of 2 starts*will not be fitted to 24 rows*");
    }

    [Fact]
    public void Classifiers_of_one_class_and_of_classes_that_some_experts_do_not_see_are_sound()
    {
        using var scope = NewDisposeScope();
        var data = Lawful.Data(ResponseKind.Class);
        foreach (var classes in new[] { new double[] { 1 }, [0, 2], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] })
        {
            var values = Enumerable.Range(0, Lawful.Rows).Select(row => classes[row % classes.Length]).ToArray();
            var rare = new FitData(data.Inputs, Response.Class(tensor(values), 3));
            var mixture = MixtureLearner.Alike(2, new SoftmaxLearner(), Quick).Fit(rare);
            Lawful.Fault(mixture, rare, rare).Should().BeNull();
            Lawful.Fault(mixture, data, rare).Should().BeNull();
        }
    }

    private sealed class Stubborn : IExpertLearner
    {
        public string Name => "stubborn";

        public WeightSupport Weights => WeightSupport.Native;

        public bool OverfitsOwnRows => false;

        public bool Takes(ResponseKind kind) => kind == ResponseKind.Real;

        public IExpert Fit(FitData data, FitContext context) => throw new ArgumentException($"It will not be fitted to {data.Rows} rows.", nameof(data));
    }
}
