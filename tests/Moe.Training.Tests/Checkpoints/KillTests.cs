using Xunit.Abstractions;

namespace Moe.Training.Tests.Checkpoints;

public sealed class KillTests(ITestOutputHelper output) : IDisposable
{
    private const int Epochs = 16;
    private const int Kills = 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_process_killed_at_any_moment_resumes_to_the_bits_of_one_that_was_not()
    {
        using var undisturbed = new CrashProbe(_folder.File("undisturbed.ckpt"), Epochs);
        var expected = undisturbed.Finish();
        expected.Should().StartWith("sha256 ");

        // A life does the steps that are waited for and at most a few more, so that there are always some left for the last one.
        var random = new Random(20);
        var checkpoint = _folder.File("killed.ckpt");
        var (midWrite, lastStep) = (0, -1L);
        for (var kill = 0; kill < Kills; kill++)
        {
            var start = DateTime.UtcNow;
            using var probe = new CrashProbe(checkpoint, Epochs);
            for (var steps = random.Next(1, 5); steps > 0; steps--)
            {
                var line = probe.ReadLine();
                line.Should().StartWith("step ", "kill {0} should come before the end; it said: {1}", kill, probe.Errors);
                var step = long.Parse(line!.AsSpan(5), System.Globalization.CultureInfo.InvariantCulture);
                step.Should().BeGreaterThanOrEqualTo(lastStep, "no checkpoint that was there may be lost");
                lastStep = step;
            }
            Thread.Sleep(TimeSpan.FromMilliseconds(random.NextDouble() * 30));
            probe.Kill();

            // The leftover of an earlier kill does not count again.
            midWrite += File.Exists(checkpoint + ".tmp") && File.GetLastWriteTimeUtc(checkpoint + ".tmp") > start ? 1 : 0;
            if (File.Exists(checkpoint))
                ReadWhole(checkpoint);
        }

        using var last = new CrashProbe(checkpoint, Epochs);
        last.Finish().Should().Be(expected);
        File.Exists(checkpoint + ".tmp").Should().BeFalse("the leftover of a killed writer is written over and moved away");
        output.WriteLine($"{Kills} kills, {midWrite} of them while a checkpoint was being written, up to step {lastStep} of {8 * Epochs}.");
        midWrite.Should().BePositive("at least one kill should have hit a write, or the test proves nothing");
    }

    /// <summary>Throws unless every byte is as it was written.</summary>
    private static void ReadWhole(string path)
    {
        foreach (var tensor in TensorFile.Read(path).Tensors.Values)
            tensor.Dispose();
    }
}
