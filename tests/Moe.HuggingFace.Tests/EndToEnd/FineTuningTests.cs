using Moe.Core.Tests;
using Moe.Training;
using static TorchSharp.torch;

namespace Moe.HuggingFace.Tests;

/// <summary>From a checkpoint through training to a checkpoint.</summary>
public sealed class FineTuningTests
{
    private const int Epochs = 8;
    private const int Samples = 64;
    private const int BatchSize = 16;
    private const double Lambda = 0.01;

    [Theory]
    [InlineData("mixtral", 1)]
    [InlineData("mixtral", 2)]
    [InlineData("mixtral", 3)]
    [InlineData("qwen3", 1)]
    public void A_decoder_of_a_checkpoint_learns_and_comes_back_from_its_own_checkpoint(string family, long seed)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var published = family == "mixtral" ? DecoderFolder.Mixtral : DecoderFolder.Qwen3;
        published.Write(folder.FullName, seed);
        using var checkpoint = Checkpoint.Open(folder.FullName);
        using var decoder = new SmallDecoder(checkpoint);
        var before = decoder.Weights(BlockLayout.PerExpert);
        before.Keys.Should().BeEquivalentTo(checkpoint.Tensors.Entries.Keys, "no tensor of the checkpoint is left out");
        var data = Successors(seed);

        var trainer = new Trainer(
            decoder,
            parameters => optim.Adam(parameters, lr: 5e-3),
            TaskLosses.CrossEntropy,
            new TrainerOptions { Epochs = Epochs, BatchSize = BatchSize, Lambda = Lambda, Seed = seed, Autoregressive = true });
        var first = trainer.Evaluate(data);
        var result = trainer.Fit(data);
        var last = trainer.Evaluate(data);

        result.Steps.Should().Be(Epochs * Samples / BatchSize);
        last.TaskLoss.Should().BeLessThan(0.8 * first.TaskLoss, "it learns");
        first.Routing.Should().HaveCount(decoder.Blocks.Count, "the balance of each block counts");
        result.Epochs.Should().OnlyContain(epoch => Math.Abs(epoch.TaskLoss + (Lambda * epoch.Balance) - epoch.Loss) < 1e-5 && epoch.Balance > 0.5);
        foreach (var (name, weight) in decoder.Weights(BlockLayout.PerExpert))
            Compare.Distance(weight, before[name]).Should().BeGreaterThan(1e-4, "{0} is trained", name);
        foreach (var layout in new[] { BlockLayout.PerExpert, BlockLayout.Fused })
            RequireSameModel(published, decoder, layout, data.Inputs);
    }

    private static void RequireSameModel(DecoderFolder published, SmallDecoder decoder, BlockLayout layout, Tensor inputs)
    {
        using var constant = no_grad();
        using var folder = new TemporaryFolder();
        published.Write(folder.FullName, decoder.Weights(layout));
        using var checkpoint = Checkpoint.Open(folder.FullName);
        checkpoint.Blocks.Should().HaveCount(decoder.Blocks.Count).And.OnlyContain(block => block.Layout == layout);
        using var again = new SmallDecoder(checkpoint);
        decoder.eval();
        again.eval();

        Compare.SameBits(again.forward(inputs), decoder.forward(inputs), $"logits by way of {layout}");
    }

    /// <summary>Sequences in which each token is followed by the one that a formula gives.</summary>
    private static TrainingData Successors(long seed)
    {
        const int Length = 16;
        var random = new Random((int)seed);
        var tokens = new long[Samples * (Length + 1)];
        for (var place = 0; place < tokens.Length; place++)
            tokens[place] = place % (Length + 1) == 0 ? random.Next(DecoderFolder.Vocabulary) : ((5 * tokens[place - 1]) + 11) % DecoderFolder.Vocabulary;
        var sequences = tensor(tokens, Samples, Length + 1);
        return new TrainingData(sequences.narrow(1, 0, Length).contiguous(), sequences.narrow(1, 1, Length).contiguous());
    }
}
