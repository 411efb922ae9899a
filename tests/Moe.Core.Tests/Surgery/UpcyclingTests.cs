using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>A dense block becomes a mixture that answers as it did.</summary>
public sealed class UpcyclingTests
{
    [Theory]
    [InlineData("relu", ScalarType.Float64)]
    [InlineData("gelu", ScalarType.Float32)]
    [InlineData("gelu", ScalarType.Float64)]
    [InlineData("swiglu", ScalarType.Float32)]
    [InlineData("swiglu", ScalarType.Float64)]
    [InlineData("clamped", ScalarType.Float64)]
    public void Where_weights_sum_to_one_and_choices_cover_all_slices_the_output_is_the_blocks(string kind, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Dense(kind, type);
        var before = Operating.Copy(dense);
        var x = Make.Normal(11, type, 50, 4);
        var tolerance = type == ScalarType.Float32 ? 1e-5 : 1e-13;
        foreach (var (slices, topK) in new[] { (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8) })
        {
            var result = Upcycling.Upcycle(dense, new() { Gate = Make.Options(experts: 8, topK: topK), Granularity = slices }, generator, x);
            using var layer = result.Layer;

            result.Preservation!.LargestChange.Should().BeLessThan(tolerance, "there are {0} slices, and {1} choices", slices, topK);
            result.Preservation.ReroutedTokens.Should().BeNull();
            Compare.Close(layer.forward(x), dense.forward(x), tolerance);
            layer.Experts.Should().HaveCount(8).And.AllBeOfType<StackedExperts.Slice>();
            layer.Gate.Generator.Should().BeNull();
            if (slices > 1)
                continue;
            foreach (var (name, value) in Operating.Weights(layer, 5))
                Compare.SameBits(value, before[name], name);
        }
        Operating.ShouldBeUnchanged(dense, before);
    }

    [Theory]
    [InlineData(1.5, false, false, 1)]
    [InlineData(2.5, true, false, 1)]
    [InlineData(1, true, true, 1)]
    [InlineData(1, true, false, 2)]
    public void Scaling_factors_selection_biases_and_norms_are_seen_to(double scaling, bool sigmoid, bool selectionBias, int slices)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Dense("gelu", ScalarType.Float64);
        var gate = Make.Options(experts: 8, topK: 4) with
        {
            ScalingFactor = scaling,
            Score = sigmoid ? ScoreFunction.Sigmoid : ScoreFunction.Softmax,
            Softmax = SoftmaxOrder.BeforeSelection,
            Renormalize = true,
            SelectionBias = selectionBias,
            Bias = true,
        };

        var result = Upcycling.Upcycle(dense, new() { Gate = gate, Granularity = slices }, generator, Make.Normal(11, 50, 4));
        result.Layer.Dispose();

        result.Preservation!.LargestChange.Should().BeLessThan(1e-13);
    }

    /// <summary>The published factor: all of a piecewise linear block's weights times a^(1/2), all of a gated one's times a^(1/3).</summary>
    [Theory]
    [InlineData("relu", 1, 2, true)]
    [InlineData("relu", 2, 4, true)]
    [InlineData("reglu", 4, 4, true)]
    [InlineData("reglu", 2, 2, true)]
    [InlineData("swiglu", 2, 2, false)]
    [InlineData("gelu", 2, 2, false)]
    public void The_published_scaling_is_exact_where_activations_grow_in_proportion(string kind, int slices, int topK, bool exact)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Dense(kind, ScalarType.Float64);

        var result = Upcycling.Upcycle(
            dense, new() { Gate = Make.Options(experts: 8, topK: topK), Granularity = slices, Scaling = UpcyclingScaling.AllWeights }, generator, Make.Normal(11, 50, 4));
        using var layer = result.Layer;

        (result.Preservation!.LargestChange < 1e-13).Should().Be(exact);
        result.Preservation.MeanRelativeChange.Should().BeLessThan(0.5);
        var (expert, factor) = (Operating.Weights(layer, 3), Math.Pow(slices, kind.EndsWith("glu", StringComparison.Ordinal) ? 1.0 / 3 : 1.0 / 2));
        var hidden = 8 / slices;
        Compare.Close(expert["down_weight"], dense.get_parameter("down_weight")!.narrow(1, 3 % slices * hidden, hidden) * factor, 1e-14);
    }

    /// <summary>a = E · G / K before selection: exact where the gate's logits are equal, and by no factor where they are not.</summary>
    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(2, 4)]
    [InlineData(4, 8)]
    public void A_softmax_over_all_experts_is_made_up_for_where_logits_are_equal(int slices, int topK)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Dense("relu", ScalarType.Float64);
        var gate = Make.Options(experts: 8, topK: topK) with { Softmax = SoftmaxOrder.BeforeSelection };
        var x = Make.Normal(11, 50, 4);
        foreach (var scaling in new[] { UpcyclingScaling.Output, UpcyclingScaling.AllWeights })
        {
            var result = Upcycling.Upcycle(dense, new() { Gate = gate, Granularity = slices, Scaling = scaling }, generator, x);
            using var layer = result.Layer;
            var given = Operating.Weights(layer, 0)["down_weight"] / dense.get_parameter("down_weight")!.narrow(1, 0, 8 / slices);
            // R · G² / K with R = E / G, as published.
            var published = 8.0 / slices * slices * slices / topK;
            Compare.Close(given, full_like(given, scaling == UpcyclingScaling.Output ? published : Math.Sqrt(published)), 1e-12);
            if (topK < 8)
                result.Preservation!.LargestChange.Should().BeGreaterThan(1e-4);

            using (no_grad())
                layer.Network.Weight.zero_();

            Compare.Close(layer.forward(x), dense.forward(x), 1e-12);
        }
    }

    [Fact]
    public void Where_choices_do_not_cover_all_slices_the_report_says_so()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Dense("relu", ScalarType.Float64);

        var result = Upcycling.Upcycle(dense, new() { Gate = Make.Options(experts: 8, topK: 3), Granularity = 2 }, generator, Make.Normal(11, 50, 4));
        result.Layer.Dispose();

        result.Preservation!.MeanRelativeChange.Should().BeGreaterThan(0.01);
    }

    [Fact]
    public void Experts_of_one_block_share_the_first_rows_of_the_gate()
    {
        using var scope = NewDisposeScope();
        using var dense = Dense("relu", ScalarType.Float64);
        using var generator = new Generator(7);
        using var same = new Generator(7);
        var options = Make.Options(experts: 6);

        using var layer = Upcycling.Upcycle(dense, new() { Gate = options, Granularity = 2 }, generator).Layer;
        using var drawn = new GatingNetwork(options, same, dtype: ScalarType.Float64);

        for (var expert = 0; expert < 6; expert++)
            Compare.SameBits(layer.Network.Weight[expert], drawn.Weight[expert / 2]);
        Compare.Close(Operating.Weights(layer, 4)["up_weight"], dense.get_parameter("up_weight")!.narrow(0, 0, 4), 0);
        Compare.Close(Operating.Weights(layer, 5)["up_weight"], dense.get_parameter("up_weight")!.narrow(0, 4, 4), 0);
    }

    [Fact]
    public void A_share_of_hidden_units_begins_anew_in_every_matrix_and_differs_by_expert()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Make.Filled(new GatedFeedForwardExpert(new() { InputWidth = 30, HiddenWidth = 400 }, dtype: ScalarType.Float64), 5, 0.3);
        using (no_grad())
            dense.get_parameter("down_weight")!.add_(2);

        using var layer = Upcycling.Upcycle(dense, new() { Gate = Make.Options(experts: 3, topK: 1, width: 30), ReinitializedShare = 0.25 }, generator).Layer;

        var sets = new List<string>();
        for (var expert = 0; expert < 3; expert++)
        {
            var weights = Operating.Weights(layer, expert);
            var changed = weights["down_weight"].ne(dense.get_parameter("down_weight")!).all(0);
            var first = weights["gate_up_weight"].ne(dense.get_parameter("gate_up_weight")!);
            changed.sum().item<long>().Should().Be(100);
            Compare.Bools(first.narrow(0, 0, 400).all(1)).Should().Equal(Compare.Bools(changed), "the same units of the gate");
            Compare.Bools(first.narrow(0, 400, 400).any(1)).Should().Equal(Compare.Bools(changed), "and of up");
            var drawn = weights["down_weight"].transpose(0, 1).masked_select(changed.unsqueeze(1));
            drawn.mean().item<double>().Should().BeApproximately(2, 0.03);
            drawn.std().item<double>().Should().BeApproximately(0.3, 0.02);
            sets.Add(string.Concat(Compare.Bools(changed)));
        }
        sets.Should().OnlyHaveUniqueItems();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(0.5)]
    public void Noise_is_a_share_of_the_weights_deviation_on_a_share_of_the_entries(double share)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Make.Filled(new FeedForwardExpert(Make.FeedForward(30, 400), dtype: ScalarType.Float64), 5, 0.3);

        using var layer = Upcycling.Upcycle(dense, new() { Gate = Make.Options(experts: 2, topK: 1, width: 30), Noise = 0.1, NoisyShare = share }, generator).Layer;

        var added = Operating.Weights(layer, 1)["up_weight"] - dense.get_parameter("up_weight")!;
        var noisy = added.abs().gt(1e-12);
        (noisy.sum().item<long>() / 12000.0).Should().BeApproximately(share, 0.02);
        added.masked_select(noisy).std().item<double>().Should().BeApproximately(0.03, 0.001);
        Compare.Close(Operating.Weights(layer, 1)["up_bias"], dense.get_parameter("up_bias")!, 0);
        Compare.Distance(Operating.Weights(layer, 0)["up_weight"], Operating.Weights(layer, 1)["up_weight"]).Should().BePositive();
    }

    [Fact]
    public void The_same_generator_gives_the_same_bits()
    {
        using var scope = NewDisposeScope();
        using var dense = Dense("swiglu", ScalarType.Float32);
        MixtureOfExperts Made(ulong seed)
        {
            using var generator = new Generator(seed);
            return Upcycling.Upcycle(dense, new() { Gate = Make.Options(experts: 4), Granularity = 2, ReinitializedShare = 0.5, Noise = 0.1, NoisyShare = 0.5 }, generator).Layer;
        }
        using var first = Made(1);
        using var second = Made(1);
        using var other = Made(2);

        foreach (var (name, value) in first.state_dict())
        {
            Compare.SameBits(second.state_dict()[name], value, name);
            Compare.Distance(other.state_dict()[name], value).Should().BePositive(name);
        }
    }

    [Fact]
    public void Gradients_reach_gate_and_experts_and_a_step_parts_the_copies()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        using var dense = Dense("swiglu", ScalarType.Float64);
        using var layer = Upcycling.Upcycle(dense, new() { Gate = Make.Options(experts: 4), Noise = 0.1 }, generator).Layer;
        using var optimizer = optim.AdamW(layer.parameters(), 0.01);

        Operating.Backward(layer, Make.Normal(3, 90, 4));
        layer.parameters().Should().OnlyContain(parameter => parameter.is_leaf && parameter.requires_grad && parameter.grad!.abs().max().item<double>() > 0);
        optimizer.step();

        Compare.Distance(Operating.Weights(layer, 0)["down_weight"], Operating.Weights(layer, 1)["down_weight"]).Should().BePositive();
        dense.parameters().Should().OnlyContain(parameter => Equals(parameter.grad, null));
    }

    [Fact]
    public void Matrices_become_blocks()
    {
        using var scope = NewDisposeScope();
        var (up, down, upBias, downBias) = (Make.Normal(1, 6, 4), Make.Normal(2, 3, 6), Make.Normal(3, 6), Make.Normal(4, 3));
        var x = Make.Normal(5, 9, 4);

        using var block = DenseBlock.FeedForward(up, down, upBias, downBias, Activation.Relu);
        using var gated = DenseBlock.GatedFeedForward(cat([up, up * 2]), down);

        Compare.Close(block.forward(x), (x.matmul(up.T) + upBias).relu().matmul(down.T) + downBias, 1e-13);
        Compare.Close(gated.forward(x), (nn.functional.silu(x.matmul(up.T)) * x.matmul(up.T) * 2).matmul(down.T), 1e-13);
        FluentActions.Invoking(() => DenseBlock.FeedForward(up, down, upBias)).Should().Throw<ArgumentException>().WithMessage("*both biases*");
        FluentActions.Invoking(() => DenseBlock.FeedForward(up, down.T)).Should().Throw<ArgumentException>().WithMessage("*down_weight*");
        FluentActions.Invoking(() => DenseBlock.GatedFeedForward(up, down)).Should().Throw<ArgumentException>().WithMessage("*gate_up_weight of shape [12, 4]*");
        FluentActions.Invoking(() => DenseBlock.FeedForward(up, down.to(ScalarType.Float32))).Should().Throw<ArgumentException>().WithMessage("*down_weight of type Float64*");
        LiveTensors.After(() => FluentActions.Invoking(() => DenseBlock.GatedFeedForward(up, down)).Should().Throw<ArgumentException>()).Should().Be(0);
    }

    [Fact]
    public void What_does_not_fit_is_refused_in_one_message()
    {
        using var scope = NewDisposeScope();
        using var dense = Dense("relu", ScalarType.Float64);
        using var linear = new LinearExpert(4, 4);
        var gate = Make.Options(experts: 6);

        Refused(dense, new() { Gate = gate, Granularity = 4, ReinitializedShare = 2, Noise = -1, NoisyShare = -0.5 }, "*Granularity (4)*Gate.ExpertCount (6)*ReinitializedShare (2)*Noise (-1)*NoisyShare (-0.5)*");
        Refused(dense, new() { Gate = gate, Granularity = 3 }, "*Granularity (3) must divide the block's hidden width (8)*");
        Refused(dense, new() { Gate = gate with { InputWidth = 5 } }, "*input width, 4, got one of width 5*");
        Refused(dense, new() { Gate = gate with { TopK = 7 } }, "*TopK (7)*");
        Refused(dense, new() { Gate = gate with { NullExperts = 1 } }, "*Gate.NullExperts (1)*");
        Refused(dense, new() { Gate = gate with { Projection = new TwoLevelProjection { Groups = 2 } }, Granularity = 2 }, "*Granularity (2) must be 1*");
        Refused(dense, new() { Gate = gate with { Selection = new TableSelection { VocabularySize = 5 } }, Granularity = 2 }, "*Granularity (2) must be 1*");
        Refused(dense, new() { Gate = gate with { Score = ScoreFunction.Relu } }, "*Scaling (Output) must be None*");
        Refused(dense, new() { Gate = gate with { WeightTarget = WeightTarget.Input } }, "*Scaling (Output) must be None*");
        Refused(linear, new() { Gate = gate }, "*got a LinearExpert*");
        dense.Invoking(block => Upcycling.Upcycle(block, new() { Gate = gate }, probe: Make.Normal(1, 5, 3))).Should().Throw<ArgumentException>();
        using var unscaled = Upcycling.Upcycle(dense, new() { Gate = gate with { Score = ScoreFunction.Relu }, Scaling = UpcyclingScaling.None }).Layer;

        static void Refused(StackableExpert dense, UpcyclingOptions options, string message) =>
            LiveTensors.After(() => dense.Invoking(block => Upcycling.Upcycle(block, options)).Should().Throw<ArgumentException>().WithMessage(message)).Should().Be(0);
    }

    [Fact]
    public void Only_the_new_layer_is_left_alive()
    {
        using var dense = Dense("swiglu", ScalarType.Float32);
        using var generator = new Generator(7);
        using var x = Make.Normal(11, ScalarType.Float32, 50, 4);
        LiveTensors.After(() => Upcycling.Upcycle(dense, new() { Gate = Make.Options(), Granularity = 2, ReinitializedShare = 0.5, Noise = 0.1, NoisyShare = 0.5 }, generator, x).Layer.Dispose()).Should().Be(0);
        dense.Dispose();
        dense.Invoking(block => Upcycling.Upcycle(block, new() { Gate = Make.Options() })).Should().Throw<ObjectDisposedException>();
    }

    private static StackableExpert Dense(string kind, ScalarType type) => kind switch
    {
        "relu" => Make.Filled(new FeedForwardExpert(Make.FeedForward(hidden: 8) with { Activation = Activation.Relu }, dtype: type), 3),
        "gelu" => Make.Filled(new FeedForwardExpert(Make.FeedForward(hidden: 8), dtype: type), 3),
        "reglu" => Make.Filled(new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 8, Activation = Activation.Relu, Bias = true }, dtype: type), 3),
        "swiglu" => Make.Filled(new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 8 }, dtype: type), 3),
        _ => Make.Filled(new GatedFeedForwardExpert(new() { InputWidth = 4, HiddenWidth = 8, Unit = GatedUnit.GptOss, Bias = true }, dtype: type), 3),
    };
}
