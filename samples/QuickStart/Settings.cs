using static TorchSharp.torch;

namespace QuickStart;

/// <summary>What the command line decides.</summary>
internal sealed record Settings(
    int Experts, int TopK, double Lambda, int Epochs, int Folds, int Seed, string DeviceName, string Out, bool Resume)
{
    public Device Device => new(DeviceName);

    /// <summary>Everything that is wrong, each with its value and the rule.</summary>
    public IReadOnlyList<string> Failures()
    {
        var failures = new List<string>();
        Require(Experts is >= 1 and <= 64, $"--experts ({Experts}) must lie between 1 and 64.");
        Require(TopK >= 1 && TopK <= Experts, $"--top-k ({TopK}) must lie between 1 and --experts ({Experts}).");
        Require(Lambda >= 0 && double.IsFinite(Lambda), $"--lambda ({Lambda}) must be 0 or more.");
        Require(Epochs >= 1, $"--epochs ({Epochs}) must be at least 1.");
        Require(Folds is >= 1 and <= Digits.FoldCount, $"--folds ({Folds}) must lie between 1 and {Digits.FoldCount}.");
        Require(IsDevice(DeviceName, out var index), $"--device ({DeviceName}) must be cpu, cuda or cuda:N.");
        Require(index < cuda.device_count(), $"--device ({DeviceName}): this build of libtorch sees {cuda.device_count()} CUDA devices.");
        return failures;

        void Require(bool holds, string failure)
        {
            if (!holds)
                failures.Add(failure);
        }
    }

    /// <summary>The index is that of the CUDA device, -1 without one.</summary>
    private static bool IsDevice(string name, out int index)
    {
        index = name == "cuda" ? 0 : -1;
        return name is "cpu" or "cuda" || (name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), out index) && index >= 0);
    }
}
