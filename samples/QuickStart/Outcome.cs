using Moe.Core;
using Moe.Training;
using static TorchSharp.torch;

namespace QuickStart;

/// <summary>What came of one model on all folds. Every image was judged by a model that never saw it in training.</summary>
internal sealed class Outcome(string name)
{
    private int _right;
    private double _logLossSum;

    public string Name => name;

    /// <summary>All parameters that learn.</summary>
    public long Parameters { get; private set; }

    /// <summary>Those that take part in the answer to one image.</summary>
    public long ActiveParameters { get; private set; }

    /// <summary>One training a fold.</summary>
    public List<TrainingResult> Trainings { get; } = [];

    /// <summary>Judged so far.</summary>
    public int Images { get; private set; }

    public double Accuracy => (double)_right / Images;

    public double LogLoss => _logLossSum / Images;

    public double Seconds => Trainings.Sum(training => training.Elapsed.TotalSeconds);

    /// <summary>Adds a fold.</summary>
    public void Add(TrainingResult training, nn.Module model, Tensor logits, Tensor labels)
    {
        Trainings.Add(training);
        Parameters = model.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());
        ActiveParameters = model is MixtureOfExperts mixture ? Models.ActiveOf(((GatingNetwork)mixture.Gate).Options) : Parameters;
        Images += (int)labels.size(0);
        _right += (int)logits.argmax(-1).eq(labels).sum().item<long>();
        _logLossSum += nn.functional.cross_entropy(logits, labels, reduction: nn.Reduction.Sum).item<float>();
    }
}
