using Moe.Benchmarks.Ratios;
using Moe.Benchmarks.Ratios.Contenders;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Benchmarks.Tests.Ratios;

public sealed class BackendNameTests
{
    [Fact]
    public void Is_that_of_the_one_step_for_the_layer_that_is_timed_on_the_CPU()
    {
        using var scope = NewDisposeScope();
        using var mixture = Mixture.Build(new LayerShape("small", 4, 2, 32, 32), ScalarType.Float32, CPU);

        BackendName.Of(mixture, ones(8, 32)).Should().BeOneOf("rows", "panels", "torch");
    }

    /// <summary>Experts that are not SwiGLUs are not computed in one step on the CPU either. All tokens are equal and choose the same two experts.</summary>
    [Theory]
    [InlineData(2, "padded")]
    [InlineData(8, "segments")]
    public void Is_that_of_the_stack_where_there_is_no_such_step(int experts, string expected)
    {
        using var scope = NewDisposeScope();
        var gate = new GatingNetwork(new GatingOptions { InputWidth = 32, ExpertCount = experts, TopK = 2 });
        using var mixture = new MixtureOfExperts(gate, StackedExperts.FeedForward(experts, new FeedForwardOptions { InputWidth = 32, HiddenWidth = 32 }));

        BackendName.Of(mixture, ones(8, 32)).Should().Be(expected);
    }
}
