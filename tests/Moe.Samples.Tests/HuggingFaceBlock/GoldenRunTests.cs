using System.Text.RegularExpressions;
using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>Blocks with numbers of their authors' own code, through the command line.</summary>
public sealed class GoldenRunTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    public static TheoryData<string> Cases =>
        ["mixtral", "mixtral_fused", "qwen2_moe", "qwen3_moe", "olmoe", "deepseek_v3", "gpt_oss", "granitemoe", "phimoe", "switch_transformers"];

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_block_gives_its_authors_numbers_and_the_gradient_of_every_weight(string name)
    {
        using var published = BlockFolder.Golden(name);
        published.Run().ShouldBe(published.Numbers, published.Trainable);
    }

    [Fact]
    public void In_BFloat16_a_block_is_as_close_to_Float32_as_its_authors_are()
    {
        using var published = BlockFolder.Golden("mixtral_bf16");
        var ours = published.Run("--dtype", "bfloat16");

        ours.Keys.Should().BeEquivalentTo([.. Answer.Forward, "grad_input", .. published.Trainable.Select(weight => $"grad.{weight}")]);
        foreach (var name in new[] { "output", "grad_input" })
        {
            var exact = published.Numbers[$"{name}_f32"];
            ours[name].dtype.Should().Be(ScalarType.BFloat16);
            Compare.Distance(ours[name], exact).Should().BeLessThanOrEqualTo(1.5 * Compare.Distance(published.Numbers[name], exact), "that is {0}", name);
        }
    }

    [Fact]
    public void Weights_of_BFloat16_compute_in_Float32_if_that_is_asked_for()
    {
        using var published = BlockFolder.Golden("mixtral_bf16");
        var ours = published.Run("--dtype", "float32");
        ours["output"].dtype.Should().Be(ScalarType.Float32);
        Deviation.Of("output", ours["output"], published.Numbers["output_f32"]).IsTooLarge.Should().BeFalse();
        Deviation.Of("grad_input", ours["grad_input"], published.Numbers["grad_input_f32"]).IsTooLarge.Should().BeFalse();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void One_token_alone_gives_the_numbers_that_it_has_among_others(string name)
    {
        using var published = BlockFolder.Golden(name);
        var theirs = published.Numbers;
        Dictionary<string, Tensor> alone = new()
        {
            ["input"] = theirs["input"][TensorIndex.Slice(1, 2), TensorIndex.Slice(3, 4)],
            ["grad_output"] = theirs["grad_output"][TensorIndex.Slice(1, 2), TensorIndex.Slice(3, 4)],
        };
        using var one = new BlockFolder(published.Config, published.Weights, alone).Write();
        var ours = one.Run();

        ours["output"].shape.Should().Equal(1, 1, 32);
        foreach (var number in new[] { "output", "grad_input" })
            Deviation.Of(number, ours[number], theirs[number][TensorIndex.Slice(1, 2), TensorIndex.Slice(3, 4)]).IsTooLarge.Should().BeFalse("{0} of a token depends on no other", number);
        ours["router_logits"].shape.Should().Equal(theirs["router_logits"].dim() == 2 ? [1, 8] : [1, 1, 8]);
        Deviation.Of("router_logits", ours["router_logits"].reshape(8), theirs["router_logits"].reshape(32, 8)[19]).IsTooLarge.Should().BeFalse();

        // No gradient reaches an expert that the token does not go to.
        var chosen = Compare.Longs(ours["selected_experts"]);
        foreach (var weight in published.Trainable.Where(weight => weight.Contains(".experts.", StringComparison.Ordinal)))
        {
            var stack = ours[$"grad.{weight}"];
            var number = Regex.Match(weight, @"\.experts\.(?:expert_)?([0-9]+)\.").Groups[1].Value;
            for (var expert = 0; expert < 8; expert++)
            {
                if (number.Length > 0 && number != $"{expert}")
                    continue;
                var own = number.Length > 0 ? stack : stack[expert];
                (own.abs().max().item<float>() > 0).Should().Be(chosen.Contains(expert), "{0} of expert {1}", weight, expert);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Tokens_in_two_dimensions_are_tokens(string name)
    {
        using var published = BlockFolder.Golden(name);
        var theirs = published.Numbers.ToDictionary(pair => pair.Key, pair => pair.Value);
        foreach (var number in Answer.Forward.Concat(["input", "grad_output", "grad_input"]))
            theirs[number] = theirs[number].reshape(32, -1);
        using var flat = new BlockFolder(published.Config, published.Weights, new() { ["input"] = theirs["input"], ["grad_output"] = theirs["grad_output"] }).Write();
        flat.Run().ShouldBe(theirs, published.Trainable);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Tokens_in_four_dimensions_keep_their_shape(string name)
    {
        using var published = BlockFolder.Golden(name);
        var theirs = published.Numbers.ToDictionary(pair => pair.Key, pair => pair.Value);
        foreach (var number in new[] { "input", "output", "grad_output", "grad_input" })
            theirs[number] = theirs[number].reshape(2, 1, 16, 32);
        if (theirs["router_logits"].dim() == 3)
        {
            foreach (var number in new[] { "router_logits", "selected_experts", "routing_weights" })
                theirs[number] = theirs[number].reshape(2, 1, 16, -1);
        }
        using var deep = new BlockFolder(published.Config, published.Weights, new() { ["input"] = theirs["input"], ["grad_output"] = theirs["grad_output"] }).Write();
        deep.Run().ShouldBe(theirs, published.Trainable);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Without_a_gradient_of_the_output_no_gradient_is_written(string name)
    {
        using var published = BlockFolder.Golden(name);
        using var forward = new BlockFolder(published.Config, published.Weights, new() { ["input"] = published.Numbers["input"] }).Write();
        forward.Run().ShouldBe(published.Numbers);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_same_run_writes_the_same_bytes(string name)
    {
        using var published = BlockFolder.Golden(name);
        published.Run();
        var first = File.ReadAllBytes(published.OutputPath);
        published.Run();
        File.ReadAllBytes(published.OutputPath).AsSpan().SequenceEqual(first).Should().BeTrue();
    }

    public void Dispose() => _scope.Dispose();
}
