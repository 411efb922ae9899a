using Moe.Testing;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>The laws that every built-in expert obeys, and with it any expert that a user writes.</summary>
public sealed class ExpertContractTests
{
    private static readonly Dictionary<string, Func<IExpert>> Experts = new()
    {
        ["linear"] = () => new LinearExpert(4, 3, dtype: ScalarType.Float64),
        ["linear without bias"] = () => new LinearExpert(4, 3, bias: false, dtype: ScalarType.Float64),
        ["feed-forward"] = () => new FeedForwardExpert(Make.FeedForward() with { OutputWidth = 3 }, dtype: ScalarType.Float64),
        ["feed-forward without bias"] = () => new FeedForwardExpert(Make.FeedForward() with { OutputWidth = 3, Bias = false }, dtype: ScalarType.Float64),
        ["gated"] = () => new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 5, OutputWidth = 3 }, dtype: ScalarType.Float64),
        ["gated with bias"] = () => new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 5, OutputWidth = 3, Bias = true }, dtype: ScalarType.Float64),
        ["gated as in gpt-oss"] = () => new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 5, OutputWidth = 3, Bias = true, Unit = GatedUnit.GptOss }, dtype: ScalarType.Float64),
        ["slice of a stack"] = () => StackedExperts.FeedForward(2, Make.FeedForward() with { OutputWidth = 3 }, dtype: ScalarType.Float64)[1],
        ["constant"] = () => new ConstantExpert(4, Make.Normal(1, 3)),
        ["identity"] = () => new IdentityExpert(4),
        ["zero"] = () => new ZeroExpert(4, 3),
        ["rule"] = () => new DelegateExpert(4, 3, rows => rows.narrow(1, 0, 3) * 2),
        ["mixture"] = () => new MixtureOfExperts(
            new GatingNetwork(Make.Options(experts: 2, topK: 1), dtype: ScalarType.Float64), StackedExperts.Linear(2, 4, 3, dtype: ScalarType.Float64)),
        ["module"] = () => new ModuleExpert(nn.Linear(4, 3, dtype: ScalarType.Float64), 4, 3),
    };

    public static TheoryData<string> Names() => [.. Experts.Keys];

    public static TheoryData<string, ExpertLaw> NamesAndLaws()
    {
        var cases = new TheoryData<string, ExpertLaw>();
        foreach (var name in Experts.Keys)
        {
            // A stack joins a layer as a whole.
            foreach (var law in ExpertContract.Laws.Where(law => name != "slice of a stack" || law != ExpertLaw.WorksInLayer))
                cases.Add(name, law);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(NamesAndLaws))]
    public void It_obeys_the_public_contract(string name, ExpertLaw law) => new ExpertContract(Experts[name], ScalarType.Float64).Verify(law);

    [Theory]
    [MemberData(nameof(Names))]
    public void It_maps_rows_to_rows_of_the_stated_width_type_and_device(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Experts[name]();
        expert.InputWidth.Should().Be(4);

        foreach (var n in new[] { 0L, 1, 5 })
        {
            using var output = expert.forward(Make.Normal(1, n, 4));
            output.shape.Should().Equal(n, expert.OutputWidth);
            output.dtype.Should().Be(ScalarType.Float64);
            output.device.type.Should().Be(DeviceType.CPU);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_row_is_answered_on_its_own(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Experts[name]();
        var x = Make.Normal(1, 5, 4);
        var together = expert.forward(x);

        for (var row = 0; row < 5; row++)
            Compare.Close(expert.forward(x.narrow(0, row, 1)), together.narrow(0, row, 1), 1e-14);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_leaves_nothing_alive_and_its_input_alone(string name)
    {
        var expert = Experts[name]();
        using var x = Make.Normal(1, 5, 4);
        var before = Compare.Bits(x);

        LiveTensors.After(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                using var answer = expert.forward(x);
                answer.Should().NotBeSameAs(x);
            }
        }).Should().BeLessThanOrEqualTo(name == "rule" ? 10 : 0, "a bare rule outside of a layer has no scope for its intermediate result");
        Compare.Bits(x).Should().Equal(before);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Wrong_input_is_refused_with_what_was_expected_and_what_came(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Experts[name]();
        var disposed = Make.Normal(1, 2, 4);
        disposed.Dispose();

        expert.Invoking(e => e.forward(null!)).Should().Throw<ArgumentNullException>().WithParameterName("input");
        expert.Invoking(e => e.forward(disposed)).Should().Throw<ObjectDisposedException>();
        expert.Invoking(e => e.forward(Make.Normal(1, 2, 5))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [*, 4], got [2, 5].*");
        expert.Invoking(e => e.forward(Make.Normal(1, 4))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [n, 4], got [4].*");
        expert.Invoking(e => e.forward(Make.Normal(1, 2, 2, 4))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [n, 4], got [2, 2, 4].*");
        expert.Invoking(e => e.forward(tensor(1.0))).Should().Throw<ArgumentException>().WithMessage("Expected input of shape [*, 4], got [].*");
        expert.Invoking(e => e.forward(ones(2, 4, dtype: ScalarType.Int64))).Should().Throw<ArgumentException>().WithMessage("*got Int64*");
        expert.forward(Make.Normal(1, 2, 4)).shape.Should().Equal(2, expert.OutputWidth);
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("feed-forward")]
    [InlineData("gated")]
    [InlineData("slice of a stack")]
    [InlineData("constant")]
    public void Weights_refuse_rows_of_another_type_or_device(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Experts[name]();

        expert.Invoking(e => e.forward(Make.Normal(1, ScalarType.Float32, 2, 4)))
            .Should().Throw<ArgumentException>().WithMessage("Expected input of type Float64, as * is, got Float32.*");
        expert.Invoking(e => e.forward(ones(2, 4, dtype: ScalarType.Float64, device: META)))
            .Should().Throw<ArgumentException>().WithMessage("Expected input on device cpu, where * is, got meta*");
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("feed-forward")]
    [InlineData("gated")]
    [InlineData("constant")]
    [InlineData("identity")]
    [InlineData("module")]
    [InlineData("mixture")]
    public void A_disposed_expert_says_so(string name)
    {
        using var scope = NewDisposeScope();
        var expert = Experts[name]();
        ((IDisposable)expert).Dispose();

        expert.Invoking(e => e.forward(Make.Normal(1, 2, 4))).Should().Throw<ObjectDisposedException>();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Widths_below_one_are_refused(string name)
    {
        var bad = new Dictionary<string, Action[]>
        {
            ["linear"] = [() => _ = new LinearExpert(0, 1), () => _ = new LinearExpert(1, -1), () => StackedExperts.Linear(2, 1, 0)],
            ["slice of a stack"] = [() => StackedExperts.Linear(0, 1, 1), () => StackedExperts.FeedForward(-1, Make.FeedForward()), () => StackedExperts.GatedFeedForward(0, new() { InputWidth = 1, HiddenWidth = 1 })],
            ["constant"] = [() => _ = new ConstantExpert(0, ones(1))],
            ["identity"] = [() => _ = new IdentityExpert(0)],
            ["zero"] = [() => _ = new ZeroExpert(0, 1), () => _ = new ZeroExpert(1, 0)],
            ["rule"] = [() => _ = new DelegateExpert(0, 1, x => x), () => _ = new DelegateExpert(1, 0, x => x)],
            ["module"] = [() => _ = new ModuleExpert(nn.Identity(), 0, 1), () => _ = new ModuleExpert(nn.Identity(), 1, 0)],
        };

        foreach (var action in bad.GetValueOrDefault(name, []))
            action.Should().Throw<ArgumentOutOfRangeException>();
        Experts[name]().OutputWidth.Should().BePositive();
    }

    [Fact]
    public void What_an_expert_is_made_of_must_be_there()
    {
        FluentActions.Invoking(() => new DelegateExpert(1, 1, null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new ModuleExpert(null!, 1, 1)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new FeedForwardExpert(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new GatedFeedForwardExpert(null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => StackedExperts.FeedForward(2, null!)).Should().Throw<ArgumentNullException>();
        FluentActions.Invoking(() => new ConstantExpert(1, null!)).Should().Throw<ArgumentNullException>();
        using var matrix = ones(2, 2);
        FluentActions.Invoking(() => new ConstantExpert(1, matrix)).Should().Throw<ArgumentException>()
            .WithMessage("Expected value of shape [Dout] and a floating type, got [2, 2] of Float32.*");
        using var whole = ones(2, dtype: ScalarType.Int64);
        FluentActions.Invoking(() => new ConstantExpert(1, whole)).Should().Throw<ArgumentException>().WithMessage("*got [2] of Int64.*");
        using var none = ones(0);
        FluentActions.Invoking(() => new ConstantExpert(1, none)).Should().Throw<ArgumentException>();
        whole.Dispose();
        FluentActions.Invoking(() => new ConstantExpert(1, whole)).Should().Throw<ObjectDisposedException>();
    }

    [Theory]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Bool)]
    [InlineData(ScalarType.ComplexFloat32)]
    public void Weights_are_of_a_floating_type(ScalarType type)
    {
        var message = $"Expected dtype Float32, Float64, BFloat16 or Float16, got {type}.*";
        FluentActions.Invoking(() => new LinearExpert(1, 1, dtype: type)).Should().Throw<ArgumentException>().WithMessage(message);
        FluentActions.Invoking(() => StackedExperts.Linear(2, 1, 1, dtype: type)).Should().Throw<ArgumentException>().WithMessage(message);
        FluentActions.Invoking(() => new GatingNetwork(Make.Options(), dtype: type)).Should().Throw<ArgumentException>().WithMessage(message);
    }
}
