using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

[Collection(GlobalDraws.Name)]
public sealed class GradientMemoryTests
{
    private static readonly MixtureMember[] Members =
    [
        new("first", GradientCases.Line()), new("second", GradientCases.Line()), new("fitted", new LinearLearner()), new("rule", new DelegateExpert(1, 1, rows => rows.abs())),
    ];

    [Theory]
    [InlineData(0)]
    [InlineData(0.25)]
    public void A_fit_leaves_only_the_tensors_of_the_mixture(double heldBack)
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(60, 1);
        var learner = new GradientMixtureLearner(Members, new() { Epochs = 30, RefitEvery = 4, ValidationShare = heldBack, Patience = 30 });
        GradientFit? fit = null;
        LiveTensors.After(() => fit = learner.Fit(data)).Should().BeLessThanOrEqualTo(5, "the gate has one matrix, each network two parameters");
        fit!.Mixture.Components.Select(component => component.Expert).OfType<NetworkExpert>().SelectMany(network => network.Module.parameters())
            .Should().HaveCount(4).And.OnlyContain(parameter => ReferenceEquals(parameter.grad, null));
    }

    [Fact]
    public void One_state_is_kept_however_many_were_the_best()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(60, 1);
        var live = new Live();
        var report = new GradientMixtureLearner(Members, new() { Epochs = 60, RefitEvery = 4, ValidationShare = 0.25, Patience = 60 }).Fit(data, progress: live).Report;
        var bests = report.HeldOutLosses.Where((loss, epoch) => epoch == 0 || loss < report.HeldOutLosses.Take(epoch).Min()).Count();
        bests.Should().BeGreaterThan(20);
        live.Counts.Skip(1).Max().Should().BeLessThanOrEqualTo(live.Counts[1] + 5, "black boxes of the state that is kept may be others than those of now: answers and means of one, means of the other");
    }

    [Fact]
    public void A_fit_that_is_cancelled_leaves_nothing()
    {
        using var scope = NewDisposeScope();
        var data = GradientCases.Bent(60, 1);
        using var source = new CancellationTokenSource();
        var learner = new GradientMixtureLearner(Members, new() { ValidationShare = 0.25 }, GradientGate.Network((width, experts) => nn.Linear(width, experts)));
        LiveTensors.After(() =>
        {
            var fit = () => learner.Fit(data, new() { CancellationToken = source.Token }, new Live { Then = source.Cancel });
            fit.Should().Throw<OperationCanceledException>();
        }).Should().BeLessThanOrEqualTo(0);
    }

    private sealed class Live : IProgress<GradientProgress>
    {
        public List<long> Counts { get; } = [];

        public Action? Then { get; init; }

        public void Report(GradientProgress value)
        {
            Counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            Then?.Invoke();
        }
    }
}
