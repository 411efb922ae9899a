using System.Buffers.Binary;
using System.Text;

namespace Moe.HuggingFace.Tests;

/// <summary>Files of safetensors put together by hand, right and wrong ones.</summary>
internal static class SmallFile
{
    /// <summary>A header as it stands, padded with spaces so that the data begin at a multiple of 8, and bytes 1, 2, 3, … as data.</summary>
    public static byte[] Of(string header, int dataLength)
    {
        var bytes = Encoding.UTF8.GetBytes(header);
        return Raw([.. bytes, .. Enumerable.Repeat((byte)' ', -bytes.Length & 7)], dataLength);
    }

    /// <summary>The same of any bytes, without padding.</summary>
    public static byte[] Raw(byte[] header, int dataLength)
    {
        var prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        return [.. prefix, .. header, .. Enumerable.Range(1, dataLength).Select(number => (byte)number)];
    }

    /// <summary>One tensor "a" with the given fields, and 4 bytes of data.</summary>
    public static byte[] WithFields(string fields) => Of("{\"a\":{" + fields + "}}", 4);
}
