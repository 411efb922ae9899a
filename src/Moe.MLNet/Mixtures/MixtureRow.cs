using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>A row and the mixture's answer to it, computed once for each position when a column of it is read.</summary>
internal sealed class MixtureRow : DataViewRow
{
    private readonly MixtureColumns _columns;
    private readonly DataViewRow _input;
    private readonly bool[] _active;
    private readonly float[] _features;
    private readonly float[] _answer;
    private readonly float[] _gates;
    private readonly ValueGetter<VBuffer<float>>? _read;
    private VBuffer<float> _row;
    private long _answered = -1;

    public MixtureRow(MixtureColumns columns, DataViewRow input, IEnumerable<DataViewSchema.Column> active)
    {
        _columns = columns;
        _input = input;
        _active = new bool[columns.Output.Count];
        foreach (var column in active)
            _active[column.Index] = true;
        var added = columns.Output.Where(column => _active[column.Index] && columns.IsAdded(column)).ToArray();
        var scorer = columns.Mixture.Scorer;
        _features = new float[scorer.Width];
        _answer = new float[scorer.Outputs];
        _gates = new float[added.Any(columns.IsGates) ? scorer.Gates : 0];
        _read = added.Length > 0 ? input.GetGetter<VBuffer<float>>(columns.Features) : null;
    }

    public override long Position => _input.Position;

    public override long Batch => _input.Batch;

    public override DataViewSchema Schema => _columns.Output;

    public override bool IsColumnActive(DataViewSchema.Column column) => _active[column.Index];

    public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!_active[column.Index])
            throw new ArgumentException($"Column {column.Name} is not among those that were asked for.", nameof(column));
        return _columns.IsAdded(column)
            ? _columns.Getter<TValue>(column, () => Answered(_answer), () => Answered(_gates))
            : _input.GetGetter<TValue>(_columns.Input[column.Index]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _input.Dispose();
        base.Dispose(disposing);
    }

    private ReadOnlyMemory<float> Answered(float[] numbers)
    {
        if (_answered != _input.Position)
        {
            _read!(ref _row);
            LabelledRows.Dense(_row, _features);
            _columns.Mixture.Scorer.Answer(_features, 1, _answer, _gates);
            _answered = _input.Position;
        }
        return numbers;
    }
}
