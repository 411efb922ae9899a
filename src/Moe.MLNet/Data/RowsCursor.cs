using Microsoft.ML;
using Microsoft.ML.Data;

namespace Moe.MLNet;

/// <summary>Goes through the rows of a <see cref="RowsView"/>, in their order or in a given one.</summary>
internal sealed class RowsCursor(DataViewSchema schema, RowColumn[] columns, int rows, int[]? order, CancellationToken cancellation) : DataViewRowCursor
{
    private int _position = -1;

    public override long Position => _position;

    public override long Batch => 0;

    public override DataViewSchema Schema { get; } = schema;

    public override bool IsColumnActive(DataViewSchema.Column column) => true;

    public override bool MoveNext()
    {
        cancellation.ThrowIfCancellationRequested();
        if (_position >= rows)
            return false;
        _position++;
        return _position < rows;
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = new DataViewRowId((ulong)Row(), 0);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
        columns[column.Index].Getter(Row) as ValueGetter<TValue>
        ?? throw new InvalidOperationException($"Column {column.Name} holds {column.Type}, not {typeof(TValue).Name}.");

    private int Row() => order is null ? _position : order[_position];
}
