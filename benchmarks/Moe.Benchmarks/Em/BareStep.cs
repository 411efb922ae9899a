using Moe.Core;

namespace Moe.Benchmarks.Em;

/// <summary>
/// The least that an M-step of linear experts must do, in plain loops: the weighted normal equations of each expert, and gradient and Hessian of one Newton step of the
/// softmax gate. No E-step, no check of the step, no second one.
/// </summary>
internal sealed class BareStep
{
    private readonly double[] _expertRows;
    private readonly double[] _gateRows;
    private readonly double[] _values;
    private readonly double[] _shares;
    private readonly int _expertWidth;
    private readonly int _gateWidth;
    private readonly int _experts;
    private readonly double[] _matrix;
    private readonly double[] _vector;

    public BareStep(EmProblem problem)
    {
        (_experts, _expertWidth, _gateWidth) = (problem.Experts, problem.ExpertColumns.Length + 1, problem.GateColumns.Length + 1);
        var inputs = HostMemory.Of<double>(problem.Data.Inputs).ToArray();
        var width = (int)problem.Data.Width;
        _values = HostMemory.Of<double>(problem.Data.Response.Values).ToArray();
        _shares = HostMemory.Of<double>(problem.Start).ToArray();
        _expertRows = Rows(inputs, width, problem.ExpertColumns);
        _gateRows = Rows(inputs, width, problem.GateColumns);
        var most = Math.Max(_expertWidth, _gateWidth);
        (_matrix, _vector) = (new double[most * most], new double[most]);
    }

    /// <summary>One step.</summary>
    /// <returns>A sum of what was computed, so that nothing is left out.</returns>
    public double Run()
    {
        var sum = 0.0;
        for (var expert = 0; expert < _experts; expert++)
        {
            Clear();
            for (var row = 0; row < _values.Length; row++)
            {
                var weight = _shares[(row * _experts) + expert];
                Add(_expertRows.AsSpan(row * _expertWidth, _expertWidth), weight, weight * _values[row]);
            }
            sum += _vector[0] + _matrix[0];
        }
        for (var expert = 1; expert < _experts; expert++)
        {
            for (var other = expert; other < _experts; other++)
            {
                Clear();
                for (var row = 0; row < _values.Length; row++)
                {
                    var g = _shares[(row * _experts) + expert];
                    Add(_gateRows.AsSpan(row * _gateWidth, _gateWidth), g * ((expert == other ? 1 : 0) - _shares[(row * _experts) + other]), g - 0.5);
                }
                sum += _vector[0] + _matrix[0];
            }
        }
        return sum;
    }

    private static double[] Rows(double[] inputs, int width, int[] columns)
    {
        var rows = new double[inputs.Length / width * (columns.Length + 1)];
        for (var (row, place) = (0, 0); row < inputs.Length; row += width)
        {
            rows[place++] = 1;
            foreach (var column in columns)
                rows[place++] = inputs[row + column];
        }
        return rows;
    }

    private void Clear()
    {
        Array.Clear(_matrix);
        Array.Clear(_vector);
    }

    /// <summary>Adds weight x xᵀ, the upper triangle, and slope x.</summary>
    private void Add(ReadOnlySpan<double> x, double weight, double slope)
    {
        for (var first = 0; first < x.Length; first++)
        {
            var scale = weight * x[first];
            var target = _matrix.AsSpan(first * x.Length, x.Length);
            for (var second = first; second < x.Length; second++)
                target[second] += scale * x[second];
            _vector[first] += slope * x[first];
        }
    }
}
