using Microsoft.ML;
using Microsoft.ML.Data;
using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet;

/// <summary>A fitted ML.NET model as an expert: a trainer's or a whole pipeline's, from <see cref="MLNetLearner"/> or fitted elsewhere and used as it is.</summary>
/// <remarks>
/// ML.NET reckons in Float32: rows are rounded to it, and answers have its seven digits. Rows go through the model's own row mapper, one getter for the whole batch;
/// no prediction engine, no object a row. The model is only read, so that the expert may answer on several threads at once. It stays the caller's and is not disposed.
/// </remarks>
public sealed class MLNetExpert : ClassicalExpert, IStoredExpert
{
    internal const string Kind = "mlnet";
    private const int RowsAtOnce = 16384;

    private readonly MLNetExpertOptions _options;
    private readonly int[]? _classes;
    private readonly ScoreReader _score;
    private readonly IRowToRowMapper? _mapper;
    private readonly DataViewSchema _schema;

    /// <summary>Makes an expert of a fitted model.</summary>
    /// <param name="model">The model. Must not change the number of rows or their order.</param>
    /// <param name="inputWidth">D, the numbers in a row.</param>
    /// <param name="options">How it is fed and read; null for the defaults.</param>
    /// <exception cref="ArgumentException">The model cannot be fed such rows, or does not answer with that column; the message says what it asks for.</exception>
    public MLNetExpert(ITransformer model, long inputWidth, MLNetExpertOptions? options = null)
        : this(model ?? throw new ArgumentNullException(nameof(model)), inputWidth, options ?? new MLNetExpertOptions(), null, 0)
    {
    }

    /// <param name="model">The model.</param>
    /// <param name="inputWidth">D.</param>
    /// <param name="options">How it is fed and read.</param>
    /// <param name="classes">For a model that was fitted to some of the classes: which class each of its scores is of. Null for all, in order.</param>
    /// <param name="classCount">C, if <paramref name="classes"/> are given.</param>
    internal MLNetExpert(ITransformer model, long inputWidth, MLNetExpertOptions options, int[]? classes, int classCount)
        : base(inputWidth, classes is null ? ScoreReader.Of(model, inputWidth, options).Width : classCount)
    {
        Model = model;
        _options = options;
        _classes = classes;
        _score = ScoreReader.Of(model, inputWidth, options);
        if (classes is not null && (classes.Length != _score.Width || classes.Any(index => index < 0 || index >= classCount)))
            throw new ArgumentException($"The model answers with {_score.Width} numbers for {classes.Length} of {classCount} classes.", nameof(model));
        _schema = ScoreReader.View([], inputWidth, options, 0).Schema;
        _mapper = model.IsRowToRowMapper ? model.GetRowToRowMapper(_schema) : null;
    }

    /// <summary>The model inside.</summary>
    public ITransformer Model { get; }

    /// <inheritdoc/>
    public ExpertState ToState()
    {
        using var stream = new MemoryStream();
        new MLContext().Model.Save(Model, _schema, stream);
        using var bytes = tensor(stream.ToArray());
        return new ExpertState(Kind)
            .Set("inputWidth", InputWidth).Set("inputColumns", _options.InputColumns.ToArray()).Set("outputColumn", _options.OutputColumn).Set("score", _options.Score)
            .Set("hasInputSchema", _options.InputSchema is not null).Set("classes", _classes).Set("classCount", (int)OutputWidth)
            .Add("model", bytes);
    }

    internal static MLNetExpert FromState(ExpertState state)
    {
        using var bytes = state.GetTensor("model", -1);
        if (bytes.dtype != ScalarType.Byte)
            throw new ArgumentException($"The state of kind \"{state.Kind}\" has a model of {bytes.dtype}; expected Byte.", nameof(state));
        using var stream = new MemoryStream(bytes.bytes.ToArray());
        ITransformer model;
        DataViewSchema schema;
        try
        {
            model = new MLContext().Model.Load(stream, out schema);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            throw new ArgumentException($"ML.NET cannot read the model of the state of kind \"{state.Kind}\": {exception.Message}", nameof(state), exception);
        }
        var options = new MLNetExpertOptions
        {
            InputColumns = state.Get<string[]>("inputColumns"),
            OutputColumn = state.Get<string>("outputColumn"),
            Score = state.Get<ScoreKind?>("score"),
            InputSchema = state.Get<bool>("hasInputSchema") ? schema : null,
        };
        return new MLNetExpert(model, state.Get<long>("inputWidth"), options, state.Get<int[]?>("classes"), state.Get<int>("classCount"));
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var count = (int)rows.size(0);
        var width = (int)InputWidth;
        var answer = zeros(count, OutputWidth, dtype: ScalarType.Float64, device: CPU);
        var numbers = HostMemory.Of<double>(rows);
        var answers = HostMemory.Of<double>(answer);
        for (var start = 0; start < count; start += RowsAtOnce)
        {
            var some = Math.Min(RowsAtOnce, count - start);
            var features = new float[some * width];
            SingleNumbers.Copy(numbers.Slice(start * width, features.Length), features, "input");
            Answer(features, some, answers.Slice(start * (int)OutputWidth, some * (int)OutputWidth));
        }
        GC.KeepAlive(rows);
        return answer;
    }

    private void Answer(float[] features, int count, Span<double> answers)
    {
        var view = ScoreReader.View(features, InputWidth, _options, count, _schema);
        if (_mapper is null)
        {
            var answered = Model.Transform(view);
            using var cursor = answered.GetRowCursor([answered.Schema[_options.OutputColumn]]);
            Read(cursor, cursor, count, answers);
            return;
        }
        using var input = view.GetRowCursor(view.Schema);
        using var output = _mapper.GetRow(input, [_mapper.OutputSchema[_options.OutputColumn]]);
        Read(input, output, count, answers);
    }

    private void Read(DataViewRowCursor cursor, DataViewRow output, int count, Span<double> answers)
    {
        var read = _score.Getter(output);
        Span<double> scores = _classes is null ? [] : new double[_classes.Length];
        for (var row = 0; row < count; row++)
        {
            if (!cursor.MoveNext())
                throw new InvalidOperationException($"The model answers {row} of {count} rows; an expert must answer every row.");
            var answer = answers.Slice(row * (int)OutputWidth, (int)OutputWidth);
            read(_classes is null ? answer : scores);
            for (var place = 0; place < scores.Length; place++)
                answer[_classes![place]] = scores[place];
        }
    }
}
