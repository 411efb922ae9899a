using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Nothing is made on a default device by accident, and experts may live elsewhere.</summary>
public sealed class MixtureOfExpertsDeviceTests
{
    [Fact]
    public void A_layer_on_the_cpu_stays_there_when_the_default_device_is_another()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        using var layer = Make.Layer(Make.Everything, shared: 2);
        using var dense = Make.Layer(Make.Options(topK: 4));
        layer.Gate.Generator = generator;
        var x = Make.Normal(1, 10, 4);
        var mask = Make.Mask(1, 1, 1, 0, 1, 0, 1, 1, 1, 1);
        var usual = get_default_device();
        set_default_device(META);
        try
        {
            using var result = layer.ForwardWithRouting(x.requires_grad_(), mask);
            (result.Output.sum() + LoadBalance.Loss(result.Routing)).backward();

            result.Output.device_type.Should().Be(DeviceType.CPU);
            result.Routing.Tensors.Should().OnlyContain(part => part.device_type == DeviceType.CPU);
            layer.parameters().Append(x).Should().OnlyContain(leaf => leaf.grad!.device_type == DeviceType.CPU);
            dense.forward(x).device_type.Should().Be(DeviceType.CPU);
            new ZeroExpert(4, 4).forward(x).device_type.Should().Be(DeviceType.CPU);
        }
        finally
        {
            set_default_device(usual);
        }
    }

    [Fact]
    public void What_is_built_for_the_cpu_is_built_there_whatever_the_default()
    {
        var usual = get_default_device();
        set_default_device(META);
        try
        {
            using var onCpu = new MixtureOfExperts(
                new GatingNetwork(Make.Everything, device: CPU), StackedExperts.FeedForward(4, Make.FeedForward(), device: CPU), [new FeedForwardExpert(Make.FeedForward(), device: CPU)]);
            using var onDefault = new MixtureOfExperts(new GatingNetwork(Make.Everything), StackedExperts.FeedForward(4, Make.FeedForward()));

            onCpu.parameters().Should().OnlyContain(parameter => parameter.device_type == DeviceType.CPU);
            onDefault.parameters().Should().OnlyContain(parameter => parameter.device_type == DeviceType.META);
        }
        finally
        {
            set_default_device(usual);
        }
    }

    [Fact]
    public void A_generator_on_the_cpu_may_draw_weights_for_another_device()
    {
        using var generator = new Generator(3);
        using var again = new Generator(3);
        using var elsewhere = new GatingNetwork(Make.Options(), generator, META);
        using var here = new GatingNetwork(Make.Options(), again, CPU);

        elsewhere.Weight.device_type.Should().Be(DeviceType.META);
        here.Weight.device_type.Should().Be(DeviceType.CPU);
        Compare.Bits(generator.get_state()).Should().Equal(Compare.Bits(again.get_state()), "the same was drawn for both");
    }

    [Theory]
    [InlineData(2, false)]
    [InlineData(2, true)]
    [InlineData(4, true)]
    public void A_layer_on_the_meta_device_gives_shapes(int topK, bool masked)
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            new GatingNetwork(Make.Everything with { TopK = topK }, device: META),
            [.. StackedExperts.FeedForward(3, Make.FeedForward() with { OutputWidth = 3 }, device: META), new ZeroExpert(4, 3)],
            [new LinearExpert(4, 3, device: META)]);
        var x = zeros(2, 5, 4, device: META, requires_grad: true);
        using var result = layer.ForwardWithRouting(x, masked ? ones(2, 5, dtype: ScalarType.Bool, device: META) : null);
        using var loss = LoadBalance.Loss(result.Routing);
        (result.Output.sum() + loss).backward();

        result.Output.shape.Should().Equal(2, 5, 3);
        result.Output.device_type.Should().Be(DeviceType.META);
        result.Routing.Weights.shape.Should().Equal(10, topK);
        result.Routing.Scores.shape.Should().Equal(10, 4);
        result.Routing.Counts.shape.Should().Equal(4);
        result.Routing.ValidTokens.Should().Be(10);
        result.Routing.Load.Sum().Should().Be(10 * topK);
        result.Routing.Tensors.Should().OnlyContain(part => part.device_type == DeviceType.META);
        x.grad!.shape.Should().Equal(2, 5, 4);
        loss.shape.Should().BeEmpty();
        layer.forward(x).shape.Should().Equal(2, 5, 3);
    }

    /// <summary>What torch cannot do on the meta device, of all that routers do.</summary>
    private static readonly string[] WithoutMetaKernel = ["aten::abs.out: ", "aten::native_batch_norm: ", "aten::relu: ", "aten::where.self: "];

    public static TheoryData<string, bool> Routers
    {
        get
        {
            var cases = new TheoryData<string, bool>();
            foreach (var name in BuiltInRouters.All.Keys)
            {
                cases.Add(name, true);
                cases.Add(name, false);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Routers))]
    public void Every_router_on_the_meta_device_gives_shapes(string name, bool training)
    {
        using var scope = NewDisposeScope();
        using var layer = LayerOn(META, BuiltInRouters.All[name].On(META, ScalarType.Float32), ScalarType.Float32);
        layer.train(training);
        var x = zeros(2, 5, 6, device: META, requires_grad: true);
        var context = new RoutingContext { Mask = ones(2, 5, dtype: ScalarType.Bool, device: META), TokenIds = zeros(2, 5, dtype: ScalarType.Int64, device: META) };
        try
        {
            using var result = layer.ForwardWithRouting(x, context);
            result.Output.shape.Should().Equal(2, 5, 6);
            result.Output.device_type.Should().Be(DeviceType.META);
            result.Routing.Tensors.Should().OnlyContain(part => part.device_type == DeviceType.META);

            (result.Output.sum() + LoadBalance.Loss(result.Routing)).backward();
            x.grad!.shape.Should().Equal(2, 5, 6);
        }
        catch (ExternalException missing) when (WithoutMetaKernel.Any(missing.Message.StartsWith))
        {
            missing.Message.Should().Contain("Meta", "torch has no such kernel, and the way up to it has been gone on the meta device");
        }
    }

    [Theory]
    [MemberData(nameof(Routers))]
    public void Every_router_on_the_cpu_stays_there_when_the_default_device_is_another(string name, bool training)
    {
        using var scope = NewDisposeScope();
        using var layer = LayerOn(CPU, BuiltInRouters.All[name].On(CPU, ScalarType.Float64), ScalarType.Float64);
        layer.train(training);
        var x = Make.Normal(1, 2, 5, 6).requires_grad_();
        var mask = Make.Mask(1, 1, 1, 0, 1, 0, 1, 1, 1, 1).reshape(2, 5);
        var ids = arange(10, dtype: ScalarType.Int64, device: CPU).reshape(2, 5);
        var usual = get_default_device();
        set_default_device(META);
        try
        {
            using var result = layer.ForwardWithRouting(x, new RoutingContext { Mask = mask, TokenIds = ids });
            (result.Output.sum() + BalanceLosses(layer, result.Routing)).backward();

            result.Output.device_type.Should().Be(DeviceType.CPU);
            result.Routing.Tensors.Should().OnlyContain(part => part.device_type == DeviceType.CPU);
            layer.parameters().Select(leaf => leaf.grad).OfType<Tensor>().Should().OnlyContain(slope => slope.device_type == DeviceType.CPU);
            x.grad.Should().NotBeNull();
            GateHealth.From(result.Routing).Tokens.Should().Be(8);
            if (result.Routing.Slots is not null)
                return;
            using var replay = new RoutingPass(mask) { TokenIds = ids, Replay = RoutingTrace.From(result.Routing) };
            layer.forward(x, replay).device_type.Should().Be(DeviceType.CPU);
        }
        finally
        {
            set_default_device(usual);
        }
    }

    /// <summary>Linear experts, null ones where the router has some.</summary>
    private static MixtureOfExperts LayerOn(Device device, Router router, ScalarType type) => new(
        router,
        Enumerable.Range(0, router.ExpertCount).Select(expert =>
            expert < router.ExpertCount - router.NullExpertCount ? (IExpert)new LinearExpert(6, 6, device: device, dtype: type) : new ZeroExpert(6, 6)));

    /// <summary>The sum of all losses that there are, by every convention; selection biases are moved besides.</summary>
    private static Tensor BalanceLosses(MixtureOfExperts layer, RoutingDecision decision)
    {
        if (layer.Gate is GatingNetwork { SelectionBias: not null } gate)
        {
            foreach (var balancer in new SelectionBalancer[] { new BiasBalancing(), new QuantileBalancing() })
                balancer.Update(gate, [balancer.Observe(gate, decision)]);
        }
        var conventions = typeof(LoadBalanceOptions).GetProperties(BindingFlags.Public | BindingFlags.Static).Select(property => (LoadBalanceOptions)property.GetValue(null)!);
        BalanceLoss[] losses =
        [
            .. conventions.Select(options => new LoadBalance(options)),
            .. Enum.GetValues<ImportanceSource>().Select(source => new ImportanceLoss(new() { Source = source })),
            new SmoothLoadLoss(), new SmoothLoadLoss(SmoothLoadOptions.VMoE), new ReluL1Loss(), new ReluL1Loss(new() { BalancedTopK = 2 }), new RouterZLoss(),
        ];
        LayerRouting[] layers = [new LayerRouting(layer, decision)];
        var batch = new GlobalBatch();
        batch.Add(layers[0]);
        return losses.SelectMany(loss => loss.Compute(layers, batch)).Aggregate((left, right) => left + right);
    }

    [Fact]
    public void An_expert_elsewhere_gets_its_rows_there_and_its_answer_comes_back()
    {
        using var scope = NewDisposeScope();
        Device? seen = null;
        var away = new ProbeModule(rows =>
        {
            seen = rows.device;
            return zeros(rows.size(0), 4, dtype: rows.dtype, device: CPU);
        });
        away.register_parameter("anchor", new TorchSharp.Modules.Parameter(zeros(1, dtype: ScalarType.Float64, device: META)));
        using var layer = new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 2, topK: 2), dtype: ScalarType.Float64), [away, new IdentityExpert(4)]);

        using var output = layer.forward(Make.Normal(1, 3, 4));

        seen!.type.Should().Be(DeviceType.META);
        output.device_type.Should().Be(DeviceType.CPU);
    }

    [Fact]
    public void An_answer_from_elsewhere_is_brought_to_the_layer()
    {
        using var scope = NewDisposeScope();
        using var layer = new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 2, topK: 2), device: META),
            [new DelegateExpert(4, 4, rows => zeros(rows.size(0), 4, device: CPU)), new IdentityExpert(4)]);

        layer.forward(zeros(3, 4, device: META)).device_type.Should().Be(DeviceType.META);
    }

    [Fact]
    public void Input_and_mask_on_another_device_than_the_gate_are_refused()
    {
        using var scope = NewDisposeScope();
        using var layer = Make.Layer(Make.Options());
        using var before = layer.forward(Make.Normal(1, 3, 4));

        layer.Invoking(l => l.forward(zeros(3, 4, dtype: ScalarType.Float64, device: META))).Should().Throw<ArgumentException>()
            .WithMessage("Expected input on device cpu, where the gate is, got meta*").WithParameterName("input");
        layer.Invoking(l => l.ForwardWithRouting(Make.Normal(1, 3, 4), ones(3, dtype: ScalarType.Bool, device: META))).Should().Throw<ArgumentException>()
            .WithMessage("Expected mask on device cpu, where the input is, got meta*").WithParameterName("mask");
        Compare.SameBits(layer.forward(Make.Normal(1, 3, 4)), before);
    }

    [Fact]
    public void A_generator_elsewhere_is_refused_when_noise_is_drawn()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        using var gate = new GatingNetwork(Make.Options() with { Noise = new LearnedNoise() }, device: META) { Generator = generator };
        var x = zeros(3, 4, device: META);

        gate.Invoking(g => g.Route(x)).Should().Throw<InvalidOperationException>()
            .WithMessage("The gate's generator must be on the tokens' device (meta*), but is on cpu*");
        gate.eval();
        gate.Route(x).TokenCount.Should().Be(3);
    }
}
