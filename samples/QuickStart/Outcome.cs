using Moe.Training;
using static TorchSharp.torch;

namespace QuickStart;

/// <summary>What came of one model on all folds. Every image was judged by a model that never saw it in training.</summary>
internal sealed class Outcome(string name, long parameters, long active)
{
    public string Name => name;

    public long Parameters => parameters;

    public long ActiveParameters => active;

    /// <summary>One training a fold.</summary>
    public List<TrainingResult> Trainings { get; } = [];

    public int Images { get; private set; }

    public int Right { get; private set; }

    public double LogLossSum { get; private set; }

    public double Accuracy => (double)Right / Images;

    public double LogLoss => LogLossSum / Images;

    public double Seconds => Trainings.Sum(training => training.Elapsed.TotalSeconds);

    public void Judge(Tensor logits, Tensor labels)
    {
        Images += (int)labels.size(0);
        Right += (int)logits.argmax(-1).eq(labels).sum().item<long>();
        LogLossSum += nn.functional.cross_entropy(logits, labels, reduction: nn.Reduction.Sum).item<float>();
    }
}
