using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Experts choose tokens (Zhou et al. 2022).</summary>
public sealed class ExpertChoiceSelectionTests
{
    public static TheoryData<int, int, int, int, TokenScope, bool> Cases => new()
    {
        { 1, 1, 12, 2, TokenScope.Batch, false },
        { 2, 3, 5, 1, TokenScope.Batch, false },
        { 3, 3, 5, 2, TokenScope.Sequence, false },
        { 4, 3, 7, 2, TokenScope.Batch, true },
        { 5, 3, 7, 2, TokenScope.Sequence, true },
        { 6, 2, 4, 4, TokenScope.Sequence, true },
        { 7, 1, 1, 3, TokenScope.Batch, false },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Each_expert_takes_its_best_tokens_of_the_scope_and_exactly_as_many_as_the_formula_says(
        int seed, int sequences, int length, int topK, TokenScope tokenScope, bool masked)
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.ExpertChoice(4, 4, topK) with { Selection = new ExpertChoiceSelection { Scope = tokenScope } });
        var z = Make.Normal(seed, sequences, length, 4);
        var mask = masked ? Make.Normal(seed + 9, sequences, length).gt(-0.3) : null;
        using var decision = gate.Route(z, mask);

        var real = mask is null ? [.. Enumerable.Repeat(true, sequences * length)] : Compare.Bools(mask);
        var p = Direct.Rows(z.reshape(-1, 4).softmax(1));
        var weights = Direct.Weights(decision);
        var expected = p.Select(_ => new double[4]).ToArray();
        foreach (var group in Enumerable.Range(0, real.Length).Where(t => real[t]).GroupBy(t => tokenScope == TokenScope.Batch ? 0 : t / length))
        {
            var places = (int)Math.Ceiling((decimal)topK * group.Count() / 4);
            for (var e = 0; e < 4; e++)
            {
                foreach (var t in group.OrderByDescending(t => p[t][e]).Take(places))
                    expected[t][e] = p[t][e];
            }
        }
        weights.SelectMany(row => row).Zip(expected.SelectMany(row => row)).Should().AllSatisfy(pair => pair.First.Should().BeApproximately(pair.Second, 1e-15));
        decision.Load.Distinct().Should().ContainSingle("load is balanced");
        decision.Load[0].Should().Be(expected.Count(row => row[0] > 0));
    }

    [Fact]
    public void The_mixture_is_the_textbook_s_also_for_tokens_that_nobody_or_everybody_takes()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(PublishedGates.ExpertChoice(4, 4, topK: 1));
        var x = Make.Normal(1, 40, 4);
        using var result = layer.ForwardWithRouting(x);

        var sent = Direct.Sent(result.Routing);
        var weights = Direct.Weights(result.Routing);
        sent.Select(row => row.Length).Should().Contain(0).And.Contain(1).And.Contain(count => count >= 2).And.NotContain(4, "combining is narrower than E");
        var experts = Textbook.StackOf(layer);
        for (var t = 0; t < 40; t++)
        {
            var expected = sent[t].Select(e => weights[t][e] * experts[e](x[t].unsqueeze(0))).Append(zeros(1, 4, dtype: ScalarType.Float64)).Aggregate((left, right) => left + right);
            Compare.Close(result.Output[t].unsqueeze(0), expected, 1e-13);
        }
    }

    [Fact]
    public void A_layer_learns_through_narrow_combining_as_through_the_textbook()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(PublishedGates.ExpertChoice(4, 4, topK: 1));
        var x = Make.Normal(1, 12, 4);
        var sent = Direct.Sent(layer.Gate.Route(x));

        var actual = Make.Gradients(layer, x, layer.forward);
        var expected = Make.Gradients(layer, x, input =>
        {
            var p = input.matmul(layer.Network.Weight.t()).softmax(1);
            var experts = Textbook.StackOf(layer);
            return cat([.. Enumerable.Range(0, 12).Select(t => sent[t].Select(e => p[t, e] * experts[e](input[t].unsqueeze(0)))
                .Append(zeros(1, 4, dtype: ScalarType.Float64)).Aggregate((left, right) => left + right))]);
        });

        Make.SameGradients(actual, expected, 1e-12);
    }

    [Fact]
    public void It_is_never_causal_and_a_later_token_does_change_an_earlier_one()
    {
        using var scope = NewDisposeScope();
        using var gate = Direct.Gate(PublishedGates.ExpertChoice(2, 2, topK: 1));
        gate.eval();

        gate.IsCausal.Should().BeFalse();
        int[] First(double later) => Direct.Sent(gate.Route(tensor(new[] { 1.0, 0, later, 0 }).reshape(2, 2)))[0];
        First(0.5).Should().Contain(0);
        First(2).Should().NotContain(0);
    }
}
