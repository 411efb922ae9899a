using Microsoft.ML;

namespace Moe.MLNet;

/// <summary>A view with a mixture's answers.</summary>
internal sealed class MixtureView(IDataView input, MixtureColumns columns) : IDataView
{
    public DataViewSchema Schema => columns.Output;

    /// <summary>False: a cursor goes through the input twice, once ahead of the other, and must meet the same order.</summary>
    public bool CanShuffle => false;

    public long? GetRowCount() => input.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) => new MixtureCursor(input, columns, columnsNeeded);

    /// <summary>One cursor, however many are asked for: the experts use the cores.</summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
