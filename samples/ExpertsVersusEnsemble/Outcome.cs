using Moe.Classical;
using static TorchSharp.torch;

namespace ExpertsVersusEnsemble;

/// <summary>How one contestant did, pooled over the folds.</summary>
internal sealed class Outcome(string name, string kind, bool isClassification)
{
    private double _squares;
    private double _logLoss;
    private long _right;
    private long _rows;
    private double _evaluations;
    private int _fits;

    public string Name { get; } = name;

    public string Kind { get; } = kind;

    public double Seconds { get; private set; }

    public double EvaluationsPerPrediction => _evaluations / _fits;

    public double? Rmse => isClassification ? null : Math.Sqrt(_squares / _rows);

    public double? Accuracy => isClassification ? (double)_right / _rows : null;

    public double? LogLoss => isClassification ? _logLoss / _rows : null;

    /// <summary>Adds the rows of a fold.</summary>
    public void Add(Tensor predictions, Response truth, double seconds, double evaluations)
    {
        var numbers = predictions.contiguous().data<double>().ToArray();
        var values = truth.Values.data<double>().ToArray();
        for (var row = 0; row < values.Length; row++)
        {
            if (!isClassification)
            {
                _squares += Math.Pow(numbers[row] - values[row], 2);
                continue;
            }
            var probabilities = numbers.AsSpan(row * truth.Classes, truth.Classes);
            var best = 0;
            for (var label = 1; label < probabilities.Length; label++)
                best = probabilities[label] > probabilities[best] ? label : best;
            _right += best == (int)values[row] ? 1 : 0;

            // A vote may give a class no probability at all.
            _logLoss -= Math.Log(Math.Max(probabilities[(int)values[row]], 1e-15));
        }
        _rows += values.Length;
        Seconds += seconds;
        _evaluations += evaluations;
        _fits++;
    }
}
