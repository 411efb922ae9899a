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

    public void Dispose() => _scope.Dispose();
}
