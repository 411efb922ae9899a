using Moe.Core;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class PublishedBlockTests
{
    public static TheoryData<string> Cases => PublishedCase.All(name => name != "mixtral_bf16");

    public static TheoryData<string> AllCases => PublishedCase.All(_ => true);

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_block_gives_its_authors_numbers_and_gradients_under_their_names(string name)
    {
        using var scope = NewDisposeScope();
        var published = new PublishedCase(name);
        using var folder = published.Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        var numbers = published.Numbers();
        var input = numbers["input"].detach().requires_grad_();

        var answer = block.Layer.ForwardWithRouting(input);
        answer.Output.backward([numbers["grad_output"]]);
        var gradients = block.Gradients();

        Deviation[] deviations =
        [
            Deviation.Of("output", answer.Output, numbers["output"]),
            Deviation.Of("grad_input", input.grad!, numbers["grad_input"]),
            .. new RoutingComparison(answer.Routing, numbers).Deviations(),
            .. gradients.Select(pair => Deviation.Of($"grad.{pair.Key}", pair.Value, numbers[$"grad.{pair.Key}"])),
        ];
        deviations.Where(deviation => deviation.IsTooLarge).Should().BeEmpty();
        gradients.Keys.Select(key => $"grad.{key}").Should().BeEquivalentTo(
            numbers.Keys.Where(key => key.StartsWith("grad.", StringComparison.Ordinal) && !key.Contains("e_score_correction_bias", StringComparison.Ordinal)));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_gate_of_a_block_has_its_authors_auxiliary_losses(string name)
    {
        using var scope = NewDisposeScope();
        var published = new PublishedCase(name);
        var losses = published.Losses();
        using var folder = published.Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        var numbers = published.Numbers();
        var mask = numbers.GetValueOrDefault("attention_mask")?.to(ScalarType.Bool);

        var balance = new LoadBalance(name == "switch_transformers" ? new() { Scope = TokenScope.Sequence } : LoadBalanceOptions.HuggingFace);
        Check("load_balancing_loss", balance, null);
        Check("load_balancing_loss_masked", balance, mask);
        Check("router_z_loss", new RouterZLoss(), null);

        void Check(string loss, BalanceLoss ours, Tensor? real)
        {
            if (!losses.Has(loss) || (loss.EndsWith("masked", StringComparison.Ordinal) && real is null))
                return;
            using var pass = new RoutingPass(real);
            _ = block.Layer.forward(numbers["input"], pass);
            ours.Compute(pass.Layers).Single().item<float>().Should().BeApproximately((float)losses.Real(loss), (float)(1e-5 * Math.Max(1, losses.Real(loss))), loss);
        }
    }

    [Fact]
    public void In_BFloat16_a_block_is_as_close_to_Float32_as_its_authors_are()
    {
        using var scope = NewDisposeScope();
        var published = new PublishedCase("mixtral_bf16");
        using var folder = published.Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        var numbers = published.Numbers();

        var output = block.Layer.forward(numbers["input"]);

        output.dtype.Should().Be(ScalarType.BFloat16, "that is the type of the file");
        Compare.Distance(output, numbers["output_f32"]).Should().BeLessThanOrEqualTo(1.5 * Compare.Distance(numbers["output"], numbers["output_f32"]));
    }

    [Theory]
    [MemberData(nameof(AllCases))]
    public void Weights_that_were_loaded_come_out_as_they_were(string name)
    {
        using var scope = NewDisposeScope();
        var published = new PublishedCase(name);
        using var folder = published.Checkpoint();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock();
        SafetensorsWriter.Write(folder.File("again.safetensors"), block.Weights(), new Dictionary<string, string> { ["format"] = "pt" });
        SameFiles.RequireFile(folder.File("again.safetensors"), published.WeightsPath);
    }

    [Theory]
    [MemberData(nameof(AllCases))]
    public void To_the_other_layout_and_back_gives_the_same_bytes(string name)
    {
        using var scope = NewDisposeScope();
        var published = new PublishedCase(name);
        using var folder = published.Checkpoint();
        using var target = new TemporaryFolder();
        BlockLayout first;
        using (var checkpoint = Checkpoint.Open(folder.FullName))
        {
            first = checkpoint.Block().Layout;
            checkpoint.Convert(first == BlockLayout.Fused ? BlockLayout.PerExpert : BlockLayout.Fused, target.File("other"));
        }
        using (var other = Checkpoint.Open(target.File("other")))
        {
            other.Block().Layout.Should().NotBe(first);
            other.Convert(first, target.File("back"));
        }
        foreach (var file in new[] { "config.json", "weights.safetensors" })
            SameFiles.RequireFile(Path.Combine(target.File("back"), file), folder.File(file));
    }

    [Theory]
    [InlineData(TensorOrder.AsGiven)]
    [InlineData(TensorOrder.Reference)]
    public void Where_types_differ_the_order_of_the_file_survives_the_way_there_and_back(TensorOrder order)
    {
        using var scope = NewDisposeScope();
        using var folder = new PublishedCase("deepseek_v3").Checkpoint();
        using var target = new TemporaryFolder();
        using (var file = SafetensorsFile.Open(folder.File("weights.safetensors")))
        {
            // As published: everything in BFloat16 but the selection bias.
            var tensors = file.Entries.Keys.Order(StringComparer.Ordinal).ToDictionary(
                name => name, name => name.Contains("bias", StringComparison.Ordinal) ? file.ReadTensor(name) : file.ReadTensor(name).to(ScalarType.BFloat16));
            SafetensorsWriter.WritePieces(
                folder.File("mixed.safetensors"), tensors.Select(pair => new TensorDescription(pair.Key, pair.Value.dtype == ScalarType.BFloat16 ? ElementType.BFloat16 : ElementType.Float32, pair.Value.shape)),
                (name, first, bytes) => Compare.Bits(tensors[name]).AsSpan((int)first, bytes.Length).CopyTo(bytes), order: order);
        }
        File.Delete(folder.File("weights.safetensors"));
        using (var checkpoint = Checkpoint.Open(folder.FullName))
            checkpoint.Convert(BlockLayout.Fused, target.File("other"));
        using (var other = Checkpoint.Open(target.File("other")))
            other.Convert(BlockLayout.PerExpert, target.File("back"));

        SameFiles.RequireFile(Path.Combine(target.File("back"), "mixed.safetensors"), folder.File("mixed.safetensors"));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void In_the_other_layout_a_block_computes_the_same_bits(string name)
    {
        using var scope = NewDisposeScope();
        var published = new PublishedCase(name);
        using var folder = published.Checkpoint();
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Convert(checkpoint.Block().Layout == BlockLayout.Fused ? BlockLayout.PerExpert : BlockLayout.Fused, target.File("other"));
        using var other = Checkpoint.Open(target.File("other"));
        using var block = checkpoint.LoadBlock();
        using var again = other.LoadBlock();
        var input = published.Numbers()["input"];

        Compare.SameBits(again.Layer.forward(input), block.Layer.forward(input));
    }
}
