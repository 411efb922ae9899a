using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

public sealed class MadeUpBlockTests
{
    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (var block in MadeUpBlock.All)
            {
                for (var seed = 1; seed <= 3; seed++)
                    cases.Add(block.Name, seed);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_block_answers_by_its_publishers_formulas(string name, int seed)
    {
        using var scope = NewDisposeScope();
        var made = MadeUpBlock.All.Single(block => block.Name == name);
        var weights = made.Weights(seed);
        using var folder = Written(made, weights);
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var block = checkpoint.LoadBlock(layer: 1);
        var input = randn(2, 10, MadeUpBlock.Width);

        var output = block.Layer.forward(input);

        var expected = made.Answer(weights, input.reshape(-1, MadeUpBlock.Width)).reshape(input.shape);
        Compare.Close(output, expected, 1e-5 * Math.Max(1, expected.abs().max().item<float>()));
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void To_the_other_layout_and_back_gives_the_same_bytes(string name, int seed)
    {
        using var scope = NewDisposeScope();
        var made = MadeUpBlock.All.Single(block => block.Name == name);
        using var folder = Written(made, made.Weights(seed));
        using var target = new TemporaryFolder();
        using var checkpoint = Checkpoint.Open(folder.FullName);
        var first = checkpoint.Block().Layout;
        checkpoint.Convert(first == BlockLayout.Fused ? BlockLayout.PerExpert : BlockLayout.Fused, target.File("other"));
        using (var other = Checkpoint.Open(target.File("other")))
            other.Convert(first, target.File("back"));

        SameFiles.RequireFile(Path.Combine(target.File("back"), "model.safetensors"), folder.File("model.safetensors"));
    }

    [Fact]
    public void A_compression_that_does_not_suit_the_widths_leaves_no_tensors_behind()
    {
        using var scope = NewDisposeScope();
        var made = MadeUpBlock.All.Single(block => block.Name == "glm4_moe");
        using var folder = Written(made, made.Weights(1));
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.LoadBlock().Dispose();
        var before = TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        checkpoint.Invoking(it => it.LoadBlock(options: new() { Compression = WeightCompression.Mxfp4 })).Should().Throw<ArgumentException>();

        TorchSharp.DisposeScopeManager.Statistics.ThreadTotalLiveCount.Should().Be(before);
    }

    private static TemporaryFolder Written(MadeUpBlock made, Dictionary<string, Tensor> weights)
    {
        var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("config.json"), made.Config);
        SafetensorsWriter.Write(folder.File("model.safetensors"), weights);
        return folder;
    }
}
