using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace Moe.HuggingFace;

/// <summary>A tensor's bytes where they lie in the file, mapped into memory. What has been handed out is gone when this is disposed.</summary>
public sealed unsafe class MappedTensor : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private readonly byte* _start;
    private bool _isDisposed;

    private MappedTensor(TensorEntry entry, MemoryMappedFile? map, MemoryMappedViewAccessor? view)
    {
        Entry = entry;
        _map = map;
        _view = view;
        if (view is null)
            return;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
        _start += view.PointerOffset;
    }

    /// <summary>Its type and shape.</summary>
    public TensorEntry Entry { get; }

    /// <summary>Its bytes; also more than a span can hold.</summary>
    public long Length => Entry.ByteCount;

    /// <summary>The first byte; null for an empty tensor. The memory is read-only: writing to it ends the process.</summary>
    public byte* Start
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _start;
        }
    }

    /// <summary>All bytes of a tensor of less than 2 GiB.</summary>
    /// <exception cref="InvalidOperationException">It is larger: see <see cref="Slice"/>.</exception>
    public ReadOnlySpan<byte> Bytes => Length <= int.MaxValue
        ? Slice(0, (int)Length)
        : throw new InvalidOperationException($"\"{Entry.Name}\" has {Length} bytes, too many for one span. Use Slice.");

    /// <summary>A piece of it.</summary>
    /// <param name="firstByte">Counted from the tensor's first.</param>
    /// <param name="count">Bytes.</param>
    /// <returns>The bytes in place.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The piece is not inside the tensor.</exception>
    public ReadOnlySpan<byte> Slice(long firstByte, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstByte);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(firstByte, Length);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - firstByte);
        return new(Start + firstByte, count);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _view?.SafeMemoryMappedViewHandle.ReleasePointer();
        _view?.Dispose();
        _map?.Dispose();
    }

    internal static MappedTensor Of(TensorEntry entry, SafeFileHandle file, long place)
    {
        // No system maps nothing.
        if (entry.ByteCount == 0)
            return new(entry, null, null);
        var map = MemoryMappedFile.CreateFromFile(file, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            return new(entry, map, map.CreateViewAccessor(place, entry.ByteCount, MemoryMappedFileAccess.Read));
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }
}
