using static TorchSharp.torch;

namespace Moe.Core.Tests;

public sealed class GateHealthTests
{
    public static TheoryData<string> Gates => ["top-k", "temperature", "sigmoid", "Float32", "dense", "soft"];

    [Theory]
    [MemberData(nameof(Gates))]
    public void It_is_the_mean_norm_of_the_logits_and_the_mean_lead_of_the_best_score(string name)
    {
        using var scope = NewDisposeScope();
        var type = name == "Float32" ? ScalarType.Float32 : ScalarType.Float64;
        using var router = Router(name, type);
        var decision = router.Route(Make.Normal(3, type, 7, 4));

        ShouldBe(GateHealth.From(decision), decision, [.. Enumerable.Range(0, 7)]);
    }

    [Fact]
    public void Padding_counts_nowhere()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Bias = true });
        var decision = gate.Route(Make.Normal(3, 4, 4), Make.Mask(1, 0, 0, 1));

        ShouldBe(GateHealth.From(decision), decision, [0, 3]);
    }

    [Fact]
    public void Nothing_but_padding_gives_zeros()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Bias = true });

        GateHealth.From(gate.Route(Make.Normal(3, 2, 4), Make.Mask(0, 0))).Should().Be(new GateHealth { Tokens = 0, LogitNorm = 0, WeightMargin = 0 });
    }

    [Fact]
    public void A_single_experts_margin_is_its_score()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options(experts: 1, topK: 1) with { Score = ScoreFunction.Sigmoid });
        var decision = gate.Route(Make.Normal(3, 5, 4));

        GateHealth.From(decision).WeightMargin.Should().BeApproximately(Compare.Doubles(decision.Scores).Average(), 1e-15);
    }

    [Fact]
    public void Equal_scores_have_no_margin()
    {
        using var scope = NewDisposeScope();
        using var gate = new GatingNetwork(Make.Options(experts: 3), dtype: ScalarType.Float64);
        using (no_grad())
            gate.Weight.zero_();

        GateHealth.From(gate.Route(Make.Normal(3, 5, 4))).Should().Be(new GateHealth { Tokens = 5, LogitNorm = 0, WeightMargin = 0 });
    }

    [Fact]
    public void Logits_are_taken_raw_and_scores_as_they_decide()
    {
        using var scope = NewDisposeScope();
        using var plain = Make.Gate(Make.Options());
        using var cold = Make.Gate(Make.Options() with { Temperature = 0.1 });
        var x = Make.Normal(3, 5, 4);

        var (warm, hard) = (GateHealth.From(plain.Route(x)), GateHealth.From(cold.Route(x)));

        hard.LogitNorm.Should().Be(warm.LogitNorm);
        hard.WeightMargin.Should().BeGreaterThan(warm.WeightMargin + 0.2);
    }

    [Fact]
    public void Batches_add_up_to_the_health_of_all_their_tokens()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var x = Make.Normal(3, 9, 4);
        GateHealth Of(long from, long count) => GateHealth.From(gate.Route(x.narrow(0, from, count)));

        var together = GateHealth.Combine([Of(0, 2), Of(2, 6), Of(8, 1)]);

        together.Tokens.Should().Be(9);
        together.LogitNorm.Should().BeApproximately(Of(0, 9).LogitNorm, 1e-14);
        together.WeightMargin.Should().BeApproximately(Of(0, 9).WeightMargin, 1e-14);
        var nothing = new GateHealth { Tokens = 0, LogitNorm = 0, WeightMargin = 0 };
        GateHealth.Combine([nothing, nothing]).Should().Be(nothing);
        GateHealth.Combine([nothing, together]).Should().Be(together);
    }

    [Fact]
    public void Measuring_leaves_nothing_alive_but_two_numbers_without_a_graph()
    {
        using var gate = Make.Gate(Make.Options());
        using var x = Make.Normal(3, 5, 4);
        using var decision = gate.Route(x);
        Tensor? measured = null;

        LiveTensors.After(() => measured = GateHealth.Measure(decision)).Should().Be(1);
        LiveTensors.After(() => GateHealth.From(decision)).Should().Be(0);

        measured!.shape.Should().Equal(2);
        measured.dtype.Should().Be(ScalarType.Float64);
        measured.requires_grad.Should().BeFalse();
        measured.Dispose();
    }

    [Fact]
    public void What_it_is_given_must_be_there_and_alive()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var decision = gate.Route(Make.Normal(3, 5, 4));
        decision.Dispose();

        FluentActions.Invoking(() => GateHealth.From(decision)).Should().Throw<ObjectDisposedException>();
        FluentActions.Invoking(() => GateHealth.From(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => GateHealth.Combine([])).Should().Throw<ArgumentException>().WithMessage("*at least 1 part*");
        FluentActions.Invoking(() => GateHealth.Combine(null!)).Should().Throw<ArgumentNullException>();
    }

    private static Router Router(string name, ScalarType type) => name switch
    {
        "temperature" => Make.Gate(Make.Options() with { Temperature = 0.5 }, type: type),
        "sigmoid" => Make.Gate(Make.Options() with { Score = ScoreFunction.Sigmoid, Bias = true }, type: type),
        "dense" => Make.Gate(Make.Options(experts: 3, topK: 3), type: type),
        "soft" => Make.Filled(new SoftRouter(new() { InputWidth = 4, ExpertCount = 3, SlotsPerExpert = 2 }, dtype: type), 1),
        _ => Make.Gate(Make.Options(), type: type),
    };

    private static void ShouldBe(GateHealth health, RoutingDecision decision, int[] real)
    {
        var experts = decision.ExpertCount;
        double[] Row(Tensor tensor, int token) => Compare.Doubles(tensor)[(token * experts)..((token + 1) * experts)];
        double Margin(int token) => Row(decision.Scores, token).Order().ToArray() is [.., var second, var best] ? best - second : double.NaN;

        health.Tokens.Should().Be(real.Length);
        health.LogitNorm.Should().BeApproximately(real.Average(token => Math.Sqrt(Row(decision.Logits, token).Sum(z => z * z))), 1e-12).And.BePositive();
        health.WeightMargin.Should().BeApproximately(real.Average(Margin), 1e-12).And.BePositive();
    }
}
