using Microsoft.Win32.SafeHandles;

namespace Moe.HuggingFace;

/// <summary>Reads as many bytes as are asked for, or says that the file has become shorter.</summary>
internal static class ExactRead
{
    /// <exception cref="EndOfStreamException">The file ends before.</exception>
    public static void At(SafeFileHandle file, long place, Span<byte> destination, string path)
    {
        while (!destination.IsEmpty)
        {
            var count = RandomAccess.Read(file, destination, place);
            if (count == 0)
                throw new EndOfStreamException($"{path} has become shorter: {destination.Length} bytes are missing from place {place} on.");
            destination = destination[count..];
            place += count;
        }
    }
}
