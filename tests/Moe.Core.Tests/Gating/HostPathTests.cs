using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Loops over the host's memory against the operators that other devices run: the same decisions to the bit, the same gradients, the same refusals.</summary>
public sealed class HostPathTests
{
    public static TheoryData<string> Names => [.. BuiltInRouters.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_router_decides_the_same(string name)
    {
        foreach (var (type, seed) in new[] { (ScalarType.Float64, 1), (ScalarType.Float32, 2), (ScalarType.BFloat16, 3) })
        {
            foreach (var training in new[] { false, true })
            {
                foreach (var masked in new[] { false, true })
                    Same(BuiltInRouters.All[name], type, seed, training, masked);
            }
        }
    }

    [Fact]
    public void Forced_choices_are_counted_the_same()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options() with { Capacity = new() { Factor = 0.7, EvaluationFactor = 0.7 } });
        var x = Make.Normal(1, 3, 2, 4);
        var context = new RoutingContext { ForcedIndices = tensor(new long[] { 0, 1, -2, 3, 2, -1, -1, -1, 0, 3, 1, 0 }).reshape(3, 2, 2), Mask = Make.Mask(1, 1, 1, 1, 0, 1).reshape(3, 2) };

        SameDecision(gate.Route(x, context), OnDevicePath.Run(() => gate.Route(x, context)), "forced");
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void What_is_not_finite_is_refused_in_the_same_words_wherever_it_is(double number)
    {
        using var gate = Make.Gate(Make.Options(experts: 19, topK: 3), type: ScalarType.Float32);
        for (var token = 0; token < 9; token++)
        {
            using var scope = NewDisposeScope();
            var x = Make.Normal(token, ScalarType.Float32, 9, 4);
            x[token].fill_(number);
            var route = () => gate.Route(x);
            var there = () => OnDevicePath.Run(() => gate.Route(x));

            route.Should().Throw<NonFiniteRoutingException>().WithMessage(there.Should().Throw<NonFiniteRoutingException>().Which.Message);
        }
    }

    [Fact]
    public void Experts_that_there_are_not_are_refused_in_the_same_words()
    {
        using var scope = NewDisposeScope();
        using var gate = Make.Gate(Make.Options());
        var context = new RoutingContext { ForcedIndices = tensor(new long[] { 0, 7, 1, 1 }).reshape(2, 2) };
        var x = Make.Normal(1, 2, 4);
        var route = () => gate.Route(x, context);
        var there = () => OnDevicePath.Run(() => gate.Route(x, context));

        route.Should().Throw<ArgumentException>().WithMessage(there.Should().Throw<ArgumentException>().Which.Message);
    }

    [Fact]
    public void A_decision_costs_little_managed_memory()
    {
        using var noGrad = no_grad();
        using var gate = Make.Gate(Make.Options(experts: 64, topK: 8, width: 16) with { Softmax = SoftmaxOrder.BeforeSelection, Renormalize = true }, type: ScalarType.Float32);
        gate.eval();
        using var x = Make.Normal(1, ScalarType.Float32, 64, 16);
        for (var warm = 0; warm < 50; warm++)
            gate.Route(x).Dispose();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var call = 0; call < 20; call++)
            gate.Route(x).Dispose();

        ((GC.GetAllocatedBytesForCurrentThread() - before) / 20).Should().BeLessThan(4096);
    }

    private static void Same(BuiltInRouter router, ScalarType type, int seed, bool training, bool masked)
    {
        using var scope = NewDisposeScope();
        var x = Make.Normal(seed, type, 3, 7, 6);
        var mask = masked ? Make.Mask(1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0).reshape(3, 7) : null;
        var ids = arange(21, dtype: ScalarType.Int64).remainder(11).reshape(3, 7);
        var context = new RoutingContext { Mask = mask, TokenIds = ids };
        var what = $"{router.Name}, {type}, training {training}, mask {masked}";

        using var made = Make.Filled(router.On(CPU, type == ScalarType.Float64 ? type : ScalarType.Float32), seed);
        made.train(training);
        var (here, hereGradient) = Route();
        var (there, thereGradient) = OnDevicePath.Run(Route);
        SameDecision(here, there, what);
        if (hereGradient is not null)
            Compare.SameBits(hereGradient, thereGradient!, $"{what}: the gradient");

        (RoutingDecision Decision, Tensor? Gradient) Route()
        {
            using var generator = new Generator(7);
            made.Generator = generator;
            made.zero_grad();
            var decision = made.Route(x, context);
            if (!decision.Weights.requires_grad)
                return (decision, null);
            (decision.Weights * Make.Normal(5, decision.Weights.dtype, decision.Weights.shape)).sum().backward();
            return (decision, made.parameters().First().grad?.clone());
        }
    }

    private static void SameDecision(RoutingDecision here, RoutingDecision there, string what)
    {
        Compare.SameBits(Real(here), Real(there), $"{what}: indices");
        Compare.SameBits(here.Weights, there.Weights, $"{what}: weights");
        Compare.SameBits(here.Kept, there.Kept, $"{what}: kept");
        Compare.SameBits(here.Counts, there.Counts, $"{what}: counts");
        here.Load.Should().Equal(there.Load, what);
        here.Assigned.Should().Equal(there.Assigned, what);
        (here.ValidTokens, here.MostKept, here.Capacity, here.Dropped).Should().Be((there.ValidTokens, there.MostKept, there.Capacity, there.Dropped), what);
    }

    /// <summary>Padding is all zeros and ties, and what is said of it says nothing.</summary>
    private static Tensor Real(RoutingDecision decision) => decision.Mask is { } mask ? decision.Indices * mask.unsqueeze(-1) : decision.Indices;
}
