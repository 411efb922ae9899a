using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class FitLawTests
{
    public static TheoryData<string> Cases() => Lawful.Theory();

    /// <summary>Fits that take seconds where nobody stops them.</summary>
    public static TheoryData<string> LongFits() => ["gp", "svm", "forest", "mixture", "general mixture", "network", "bagging", "stacking"];

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_fit_changes_neither_the_data_nor_the_previous_expert_and_gives_the_same_again(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = Lawful.Case(name);
        var data = Lawful.Data(kind).WithWeights(tensor(Lawful.Numbers(Lawful.Rows, 8).Select(weight => weight + 0.1).ToArray()));
        double[] Numbers()
        {
            var response = data.Response;
            var trials = response.Trials is null ? [] : response.Trials.data<double>().ToArray();
            return [.. data.Inputs.data<double>().ToArray(), .. response.Values.data<double>().ToArray(), .. trials, .. data.Weights!.data<double>().ToArray()];
        }

        var before = Numbers();
        var context = new FitContext { Seed = 5 };
        var first = learner.Fit(data, context);
        var said = Lawful.Says(first, data);
        Lawful.Says(learner.Fit(data, context), data).Should().Equal(said);
        var warm = context with { Previous = first };
        var second = learner.Fit(data, warm);
        second.Should().NotBeSameAs(first);
        Lawful.Says(first, data).Should().Equal(said);
        Lawful.Says(learner.Fit(data, warm), data).Should().Equal(Lawful.Says(second, data));
        Numbers().Should().Equal(before);
        // An expert of another learner, kind or width is no help and no harm.
        var stranger = new LinearLearner().Fit(Lawful.Data(ResponseKind.Real, width: 2), FitContext.Default);
        Lawful.Says(learner.Fit(data, context with { Previous = stranger }), data).Should().Equal(said);
        var other = learner.Fit(Lawful.Data(kind, width: 2, seed: 3), FitContext.Default);
        Lawful.Says(learner.Fit(data, context with { Previous = other }), data).Should().Equal(said);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void An_expert_survives_the_scope_of_its_fit_and_leaves_nothing_behind_when_asked(string name)
    {
        var (learner, kind) = Lawful.Case(name);
        IExpert expert;
        double[] said;
        using (NewDisposeScope())
        {
            var data = Lawful.Data(kind);
            expert = learner.Fit(data, FitContext.Default);
            said = Lawful.Says(expert, data);
        }
        using var scope = NewDisposeScope();
        var again = Lawful.Data(kind);
        Lawful.Says(expert, again).Should().Equal(said);
        LiveTensors.After(() => Lawful.Says(expert, again)).Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_learner_says_whether_its_experts_know_their_honest_answers(string name)
    {
        using var scope = NewDisposeScope();
        var (learner, kind) = Lawful.Case(name);
        learner.AnswersOutOfSample.Should().Be(learner.Fit(Lawful.Data(kind), FitContext.Default) is IOutOfSample);
    }

    [Theory]
    [MemberData(nameof(LongFits))]
    public void A_long_fit_ends_soon_when_it_is_cancelled(string name)
    {
        using var scope = NewDisposeScope();
        var tree = new DecisionTreeLearner();
        var lasting = new EmOptions { Restarts = 1000, MaxIterations = 10000, Tolerance = 1e-15, GateRidge = 0 };
        (IExpertLearner learner, var kind, var rows) = name switch
        {
            "gp" => ((IExpertLearner)new GaussianProcessLearner(new GaussianProcessOptions { Starts = 20, MaxSteps = 10000, SeparateLengthScales = true }), ResponseKind.Real, 500),
            "svm" => (new VectorMachineLearner(new VectorMachineOptions { Cost = 1e4, Tolerance = 1e-9, Folds = 50 }), ResponseKind.Class, 2000),
            "forest" => (new RandomForestLearner(new RandomForestOptions { Trees = 5000 }), ResponseKind.Real, 3000),
            "mixture" => (MixtureLearner.Alike(3, new LinearLearner(), lasting), ResponseKind.Real, 3000),
            "general mixture" => (new MixtureLearner([new MixtureMember("line", new LinearLearner()), new MixtureMember("tree", tree)], lasting), ResponseKind.Real, 2000),
            "network" => (new NetworkLearner((d, dout) => nn.Linear(d, dout), new NetworkOptions { Epochs = 100000 }), ResponseKind.Real, 1000),
            "bagging" => (new BaggingLearner(tree, new BaggingOptions { Members = 5000 }), ResponseKind.Real, 3000),
            _ => (new StackingLearner([tree], new LinearLearner(), new StackingOptions { Folds = 1000 }), ResponseKind.Real, 3000),
        };
        var data = Lawful.Data(kind, rows);
        using var early = new CancellationTokenSource();
        early.Cancel();
        FluentActions.Invoking(() => learner.Fit(data, new FitContext { CancellationToken = early.Token })).Should().Throw<OperationCanceledException>();
        using var late = new CancellationTokenSource(TimeSpan.FromMilliseconds(60));
        FluentActions.Invoking(() => learner.Fit(data, new FitContext { CancellationToken = late.Token })).Should().Throw<OperationCanceledException>();
    }
}
