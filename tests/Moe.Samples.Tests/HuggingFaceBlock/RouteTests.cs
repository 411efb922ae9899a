using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

public sealed class RouteTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    [Theory]
    [InlineData("mixtral")]
    [InlineData("mixtral_bf16")]
    [InlineData("deepseek_v3")]
    [InlineData("gpt_oss")]
    [InlineData("switch_transformers")]
    public void Loads_are_told_and_drawn(string name)
    {
        using var published = BlockFolder.Golden(name);
        var chosen = Compare.Longs(published.Numbers["selected_experts"]);

        var output = published.Call("route", "--input", published.InputPath, "--plot", published.PathOf("new/loads.png")).Succeeded();

        var rows = output.Split('\n').Where(line => line.Contains('│', StringComparison.Ordinal)).Select(line => line.Split(['│', ' '], StringSplitOptions.RemoveEmptyEntries)).Where(row => char.IsAsciiDigit(row[0][0]));
        rows.Select(row => (int.Parse(row[0]), int.Parse(row[1]))).Should().Equal(Enumerable.Range(0, 8).Select(expert => (expert, chosen.Count(choice => choice == expert))));
        output.Should().Contain($"32 tokens, {chosen.Length / 32} experts each").And.Contain($"never asked {8 - chosen.Distinct().Count()}").And.Contain("wrote ");
        published.Png("new/loads.png").Should().Be((1000, 500));
    }

    [Fact]
    public void Tokens_without_a_place_are_told()
    {
        using var published = BlockFolder.Golden("switch_transformers");
        published.Config["expert_capacity"] = 1;
        published.Write().Call("route", "--input", published.InputPath, "--plot", published.PathOf("loads.png")).Succeeded().Should().NotContain("dropped 0.0 %");
    }

    [Fact]
    public void A_gradient_is_nothing_to_routes()
    {
        using var published = BlockFolder.Golden("mixtral");
        published.Numbers["grad_output"] = ones(1);
        published.Write().Call("route", "--input", published.InputPath, "--plot", published.PathOf("loads.png")).Succeeded();
    }

    [Fact]
    public void A_picture_that_was_there_is_replaced_as_a_whole()
    {
        using var published = BlockFolder.Golden("mixtral");
        File.WriteAllText(published.PathOf("loads.png"), "what was there");

        // In the way of the new picture while it is not complete: the old one stays.
        Directory.CreateDirectory(published.PathOf("loads.png.tmp"));
        published.Call("route", "--input", published.InputPath, "--plot", published.PathOf("loads.png")).Failed().Should().Contain("loads.png cannot be written");
        File.ReadAllText(published.PathOf("loads.png")).Should().Be("what was there");

        Directory.Delete(published.PathOf("loads.png.tmp"));
        published.Call("route", "--input", published.InputPath, "--plot", published.PathOf("loads.png")).Succeeded();
        published.Png("loads.png").Should().Be((1000, 500));
        File.Exists(published.PathOf("loads.png.tmp")).Should().BeFalse();
    }

    public void Dispose() => _scope.Dispose();
}
