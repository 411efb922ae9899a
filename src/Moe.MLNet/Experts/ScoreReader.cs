using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>Reads one row's answer into plain numbers.</summary>
internal delegate void ReadScore(Span<double> answer);

/// <summary>How the answer of one model is read: checked against the model's schema once, then used for every batch.</summary>
internal sealed class ScoreReader
{
    private readonly string _column;
    private readonly ScoreKind _kind;
    private readonly int _size;
    private readonly bool _isVector;

    private ScoreReader(string column, ScoreKind kind, int size, bool isVector)
    {
        _column = column;
        _kind = kind;
        _size = size;
        _isVector = isVector;
    }

    /// <summary>Dout, the numbers of an answer.</summary>
    public int Width => _kind == ScoreKind.BinaryProbability ? 2 : _size;

    /// <summary>Checks that a model takes the rows and gives the answer.</summary>
    public static ScoreReader Of(ITransformer model, long inputWidth, MLNetExpertOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputWidth, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(inputWidth, int.MaxValue);
        options.Validate(inputWidth, nameof(options));
        var schema = Output(model, View([], inputWidth, options, 0).Schema, options);
        if (schema.GetColumnOrNull(options.OutputColumn) is not { } column)
            throw new ArgumentException($"The model gives no column {options.OutputColumn}; it gives {string.Join(", ", schema.Select(each => $"{each.Name} ({each.Type})"))}.", nameof(model));
        var vector = column.Type as VectorDataViewType;
        var item = vector?.ItemType ?? column.Type;
        if (!item.Equals(NumberDataViewType.Single) || vector is { Size: 0 })
            throw new ArgumentException($"The model's column {column.Name} holds {column.Type}; expected Single, or a vector of it of a known size.", nameof(model));
        var kind = options.Score ?? (vector is null ? ScoreKind.Value : ScoreKind.Probabilities);
        if (kind == ScoreKind.BinaryProbability != vector is null && kind != ScoreKind.Value)
            throw new ArgumentException($"The model's column {column.Name} holds {column.Type}, which cannot be read as {kind}.", nameof(model));
        return new ScoreReader(column.Name, kind, vector?.Size ?? 1, vector is not null);
    }

    /// <summary>Rows as the model wants them.</summary>
    public static RowsView View(float[] features, long inputWidth, MLNetExpertOptions options, int rows, DataViewSchema? schema = null)
    {
        var width = (int)inputWidth;
        var inputs = options.InputColumns.Count == 1 && (width > 1 || !WantsScalar(options))
            ? [RowColumn.Vector(options.InputColumns[0], features, width)]
            : options.InputColumns.Select((name, column) => RowColumn.Scalar(name, features, width, column));
        var others = (options.InputSchema ?? Enumerable.Empty<DataViewSchema.Column>())
            .Where(column => !column.IsHidden && !options.InputColumns.Contains(column.Name))
            .Select(column => column.Type is VectorDataViewType
                ? throw new ArgumentException($"InputSchema has the vector {column.Name} ({column.Type}), which is not among InputColumns; only columns without vectors can be left out.", nameof(options))
                : RowColumn.Default(column.Name, column.Type));
        return new RowsView(rows, inputs.Concat(others), schema: schema);
    }

    /// <summary>The reader of the row where <paramref name="output"/> is.</summary>
    public ReadScore Getter(DataViewRow output)
    {
        var column = output.Schema[_column];
        if (!_isVector)
        {
            var one = output.GetGetter<float>(column);
            return answer =>
            {
                float value = 0;
                one(ref value);
                Finish([Finite(value)], answer);
            };
        }
        var many = output.GetGetter<VBuffer<float>>(column);
        VBuffer<float> scores = default;
        var plain = new double[_size];
        return answer =>
        {
            many(ref scores);
            if (scores.Length != plain.Length)
                throw new InvalidOperationException($"The model answers a row with {scores.Length} numbers instead of {plain.Length}.");
            Array.Clear(plain);
            foreach (var (place, value) in scores.Items())
                plain[place] = Finite(value);
            Finish(plain, answer);
        };
    }

    private static bool WantsScalar(MLNetExpertOptions options) =>
        options.InputSchema?.GetColumnOrNull(options.InputColumns[0]) is { Type: not VectorDataViewType };

    private static DataViewSchema Output(ITransformer model, DataViewSchema input, MLNetExpertOptions options)
    {
        try
        {
            return model.GetOutputSchema(input);
        }
        catch (Exception exception) when (exception is ArgumentException or InvalidOperationException)
        {
            var advice = options.InputSchema is null ? " Other columns that it asks for can be given by InputSchema." : "";
            throw new ArgumentException($"The model cannot be fed {string.Join(", ", input.Select(each => $"{each.Name} ({each.Type})"))}: {exception.Message}{advice}", nameof(model), exception);
        }
    }

    private double Finite(float value) => float.IsFinite(value)
        ? value
        : throw new InvalidOperationException($"The model answers with {value} in column {_column}; an expert's answers must be finite.");

    private void Finish(ReadOnlySpan<double> scores, Span<double> answer)
    {
        switch (_kind)
        {
            case ScoreKind.Value:
                scores.CopyTo(answer);
                return;
            case ScoreKind.BinaryProbability:
                answer[1] = Math.Clamp(scores[0], 0, 1);
                answer[0] = 1 - answer[1];
                return;
            case ScoreKind.Logits:
                var most = double.NegativeInfinity;
                foreach (var score in scores)
                    most = Math.Max(most, score);
                for (var place = 0; place < scores.Length; place++)
                    answer[place] = Math.Exp(scores[place] - most);
                break;
            default:
                for (var place = 0; place < scores.Length; place++)
                    answer[place] = Math.Max(0, scores[place]);
                break;
        }
        var sum = 0.0;
        foreach (var value in answer)
            sum += value;
        foreach (ref var value in answer)
            value = sum > 0 ? value / sum : 1.0 / answer.Length;
    }
}
