using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet;

/// <summary>Asks an expert for answers to rows of Single, many at once.</summary>
internal sealed class MixtureScorer(IExpert expert)
{
    public IExpert Expert { get; } = expert;

    public int Width => checked((int)Expert.InputWidth);

    public int Outputs => checked((int)Expert.OutputWidth);

    /// <summary>K, if the expert can tell how it weighs; otherwise 0.</summary>
    public int Gates => (Expert as IGatedExpert)?.ExpertCount ?? 0;

    /// <summary>Answers rows.</summary>
    /// <param name="features">n rows, one after another.</param>
    /// <param name="count">n.</param>
    /// <param name="answers">Filled with the expert's numbers.</param>
    /// <param name="gates">Filled with the gate's probabilities; empty if nobody wants them.</param>
    public void Answer(float[] features, int count, Span<float> answers, Span<float> gates)
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        var all = tensor(features, dtype: ScalarType.Float64).reshape(-1, Width);
        var rows = count * Width == features.Length ? all : all.narrow(0, 0, count).contiguous();
        Copy(Expert.forward(rows), answers);
        if (!gates.IsEmpty)
            Copy(((IGatedExpert)Expert).Gates(rows), gates);
    }

    private static void Copy(Tensor tensor, Span<float> destination)
    {
        var plain = tensor.to(ScalarType.Float64, CPU).contiguous();
        var numbers = HostMemory.Of<double>(plain);
        for (var place = 0; place < destination.Length; place++)
        {
            destination[place] = float.IsFinite((float)numbers[place])
                ? (float)numbers[place]
                : throw new InvalidOperationException($"The mixture answers with {numbers[place]}; answers must be finite as Single.");
        }
        GC.KeepAlive(plain);
    }
}
