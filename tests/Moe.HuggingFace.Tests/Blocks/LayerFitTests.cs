using Moe.Core;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>Layers that a block of a checkpoint cannot have.</summary>
public sealed class LayerFitTests
{
    [Fact]
    public void A_layer_of_other_widths_or_another_function_is_refused_with_all_that_differs()
    {
        using var checkpoint = new Opened("mixtral");
        var experts = StackedExperts.GatedFeedForward(4, new() { InputWidth = 32, HiddenWidth = 48, Activation = Activation.Gelu, Bias = true });
        using var layer = new MixtureOfExperts(new GatingNetwork(PublishedGates.Qwen(32, 4, 2, renormalize: true)), experts, [new IdentityExpert(32)]);

        Refused(checkpoint, layer).Should().Contain("does not fit into a block of this Mixtral model")
            .And.Contain("Gate.Options.Softmax is BeforeSelection; it must be AfterSelection").And.Contain("Gate.Options.Renormalize is True; it must be False")
            .And.Contain("expert 0, 1, 2, 3: Options.HiddenWidth is 48; it must be 64").And.Contain("Options.Activation is GELU; it must be SiLU").And.Contain("Options.Bias is True; it must be False")
            .And.Contain("it has 1 shared experts; it must have 0");
        layer.Experts[0].forward(zeros(1, 32)).Dispose();
    }

    [Fact]
    public void A_gate_with_a_bias_that_the_family_has_no_tensor_for_is_refused()
    {
        using var checkpoint = new Opened("mixtral");
        using var fresh = ExpertAddition.AddFresh(checkpoint.Block.Layer, 1).Layer;
        using var summed = ExpertMerging.Merge(checkpoint.Block.Layer, [[0, 1]], rows: MergedRows.Sum).Layer;

        Refused(checkpoint, fresh).Should().Contain("its gate has a bias").And.Contain("Mixtral has no tensor for one").And.NotContain("it must be");
        Refused(checkpoint, summed).Should().Contain("Mixtral has no tensor for one");
    }

    [Fact]
    public void A_family_whose_gate_has_a_bias_takes_fresh_experts()
    {
        using var checkpoint = new Opened("gpt_oss");
        using var block = checkpoint.Block.With(ExpertAddition.AddFresh(checkpoint.Block.Layer, 1).Layer);
        block.Layer.Experts.Should().HaveCount(9);
    }

    [Fact]
    public void Another_kind_of_gate_or_of_expert_is_refused()
    {
        using var checkpoint = new Opened("mixtral");
        using var soft = new MixtureOfExperts(new SoftRouter(new() { InputWidth = 32, ExpertCount = 2, SlotsPerExpert = 1 }), StackedExperts.GatedFeedForward(2, new() { InputWidth = 32, HiddenWidth = 64 }));
        using var rule = new MixtureOfExperts(new GatingNetwork(PublishedGates.Mixtral(32, 2)), [new ZeroExpert(32, 32), new GatedFeedForwardExpert(new() { InputWidth = 32, HiddenWidth = 64 })]);

        Refused(checkpoint, soft).Should().Contain("its gate is a SoftRouter; it must be a GatingNetwork");
        Refused(checkpoint, rule).Should().Contain("expert 0: it is a ZeroExpert; it must be a GatedFeedForwardExpert").And.NotContain("expert 1");
    }

    [Fact]
    public void A_gate_that_was_hardened_is_refused()
    {
        using var checkpoint = new Opened("mixtral");
        using var layer = ExpertRemoval.Remove(checkpoint.Block.Layer, [0]).Layer;
        ((GatingNetwork)layer.Gate).Temperature = 0.5;
        Refused(checkpoint, layer).Should().Contain("Gate.Temperature is 0.5; it must be 1");
    }

    [Fact]
    public void Experts_that_are_kept_compressed_are_refused()
    {
        using var checkpoint = new Opened("mixtral");
        using var gate = new GatingNetwork(PublishedGates.Mixtral(32, 8));
        using var layer = new MixtureOfExperts(gate, QuantisedExperts.From(checkpoint.Block.Layer, WeightCompression.Int8));
        Refused(checkpoint, layer).Should().Contain("it is a QuantisedFeedForwardExpert; it must be a GatedFeedForwardExpert");
    }

    [Fact]
    public void A_shared_expert_must_be_of_the_same_kind_and_width()
    {
        using var checkpoint = new Opened("qwen2_moe");
        var gate = ((GatingNetwork)checkpoint.Block.Layer.Gate).Options;
        using var none = new MixtureOfExperts(new GatingNetwork(gate), Experts());
        using var plain = new MixtureOfExperts(new GatingNetwork(gate), Experts(), [new GatedFeedForwardExpert(new() { InputWidth = 32, HiddenWidth = 96 })]);
        using var narrow = new MixtureOfExperts(new GatingNetwork(gate), Experts(), [new SelfGatedExpert(new GatedFeedForwardExpert(new() { InputWidth = 32, HiddenWidth = 64 }))]);
        using var right = new MixtureOfExperts(new GatingNetwork(gate), Experts(), [new SelfGatedExpert(new GatedFeedForwardExpert(new() { InputWidth = 32, HiddenWidth = 96 }))]);

        Refused(checkpoint, none).Should().Contain("it has 0 shared experts; it must have 1");
        Refused(checkpoint, plain).Should().Contain("its shared expert is a GatedFeedForwardExpert; it must be a SelfGatedExpert");
        Refused(checkpoint, narrow).Should().Contain("the shared expert: Options.HiddenWidth is 64; it must be 96");
        checkpoint.Block.With(right).Info.Should().Be(checkpoint.Block.Info);
    }

    [Fact]
    public void A_shared_expert_in_a_stack_of_one_is_refused()
    {
        using var checkpoint = new Opened("deepseek_v3");
        using var layer = new MixtureOfExperts(
            new GatingNetwork(((GatingNetwork)checkpoint.Block.Layer.Gate).Options), StackedExperts.GatedFeedForward(8, new() { InputWidth = 32, HiddenWidth = 64 }), StackedExperts.GatedFeedForward(1, new() { InputWidth = 32, HiddenWidth = 64 }));
        Refused(checkpoint, layer).Should().Contain("shared_experts.0.gate_up_weight is of shape [1, 128, 32]; it must be of shape [128, 32]");
    }

    [Fact]
    public void A_layer_that_has_been_disposed_is_refused()
    {
        using var checkpoint = new Opened("mixtral");
        var layer = ExpertRemoval.Remove(checkpoint.Block.Layer, [0]).Layer;
        layer.Dispose();
        checkpoint.Block.Invoking(it => it.With(layer)).Should().Throw<ObjectDisposedException>();
    }

    private static StackedExperts Experts() => StackedExperts.GatedFeedForward(8, new() { InputWidth = 32, HiddenWidth = 64 });

    private static string Refused(Opened checkpoint, MixtureOfExperts layer) => checkpoint.Block.Invoking(it => it.With(layer)).Should().Throw<ArgumentException>().Which.Message;

    /// <summary>A published case with its block.</summary>
    private sealed class Opened : IDisposable
    {
        private readonly TemporaryFolder _folder;
        private readonly Checkpoint _checkpoint;

        public Opened(string name)
        {
            _folder = new PublishedCase(name).Checkpoint();
            _checkpoint = Checkpoint.Open(_folder.FullName);
            Block = _checkpoint.LoadBlock();
        }

        public PublishedBlock Block { get; }

        public void Dispose()
        {
            Block.Dispose();
            _checkpoint.Dispose();
            _folder.Dispose();
        }
    }
}
