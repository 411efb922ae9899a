using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>Goes through a view's rows, and has their answers made in batches by a second cursor that runs ahead.</summary>
internal sealed class MixtureCursor : DataViewRowCursor
{
    private const int BatchRows = 1024;

    private readonly MixtureColumns _columns;
    private readonly bool[] _active;
    private readonly DataViewRowCursor _input;
    private readonly DataViewRowCursor? _ahead;
    private readonly ValueGetter<VBuffer<float>>? _read;
    private readonly float[] _features;
    private readonly float[] _answers;
    private readonly float[] _gates;
    private VBuffer<float> _row;
    private long _start = -1;
    private int _count;

    public MixtureCursor(IDataView input, MixtureColumns columns, IEnumerable<DataViewSchema.Column> needed)
    {
        _columns = columns;
        _active = new bool[columns.Output.Count];
        foreach (var column in needed)
            _active[column.Index] = true;
        _input = input.GetRowCursor(input.Schema.Where(column => _active[column.Index]));
        var added = columns.Output.Where(column => _active[column.Index] && columns.IsAdded(column)).ToArray();
        var scorer = columns.Mixture.Scorer;
        var rows = added.Length > 0 ? BatchRows : 0;
        _features = new float[rows * scorer.Width];
        _answers = new float[rows * scorer.Outputs];
        _gates = new float[added.Any(columns.IsGates) ? rows * scorer.Gates : 0];
        if (added.Length == 0)
            return;
        _ahead = input.GetRowCursor([columns.Features]);
        _read = _ahead.GetGetter<VBuffer<float>>(_ahead.Schema[columns.Features.Index]);
        _start = 0;
    }

    public override long Position => _input.Position;

    public override long Batch => _input.Batch;

    public override DataViewSchema Schema => _columns.Output;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

    public override bool MoveNext() => _input.MoveNext();

    public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!_active[column.Index])
            throw new ArgumentException($"Column {column.Name} is not among those that were asked for.", nameof(column));
        var scorer = _columns.Mixture.Scorer;
        return _columns.IsAdded(column)
            ? _columns.Getter<TValue>(column, () => Answered(_answers, scorer.Outputs), () => Answered(_gates, scorer.Gates))
            : _input.GetGetter<TValue>(_input.Schema[column.Index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _input.Dispose();
            _ahead?.Dispose();
        }
        base.Dispose(disposing);
    }

    /// <summary>The present row's part of a batch's numbers; the next batches are made if it is not among the last.</summary>
    private ReadOnlyMemory<float> Answered(float[] numbers, int width)
    {
        while (_input.Position >= _start + _count)
            NextBatch();
        return numbers.AsMemory((int)(_input.Position - _start) * width, width);
    }

    private void NextBatch()
    {
        var width = _columns.Mixture.Scorer.Width;
        _start += _count;
        _count = 0;
        // Rows that nobody asked for are passed over: they cost no answer.
        while (_start + BatchRows <= _input.Position && _ahead!.MoveNext())
            _start++;
        var count = 0;
        while (count < BatchRows && _ahead!.MoveNext())
        {
            _read!(ref _row);
            LabelledRows.Dense(_row, _features.AsSpan(count * width, width));
            count++;
        }
        if (count == 0)
            throw new InvalidOperationException($"The input has a row {_input.Position} for one cursor but not for another.");
        var scorer = _columns.Mixture.Scorer;
        _columns.Mixture.Scorer.Answer(_features, count, _answers.AsSpan(0, count * scorer.Outputs), _gates.Length == 0 ? [] : _gates.AsSpan(0, count * scorer.Gates));
        _count = count;
    }
}
