using System.Buffers.Binary;
using System.Text;

namespace Moe.Training.Tests;

/// <summary>A scalar of a TensorBoard event file.</summary>
internal sealed record EventScalar(string Tag, long Step, float Value, double Time);

/// <summary>Reads TensorBoard's event files by hand: TFRecord framing with masked CRC-32C, protobuf fields inside.</summary>
internal static class EventFile
{
    public static IReadOnlyList<EventScalar> Read(string path)
    {
        var bytes = File.ReadAllBytes(path).AsMemory();
        var scalars = new List<EventScalar>();
        for (var position = 0; position < bytes.Length;)
        {
            var length = bytes.Slice(position, 8);
            var size = (int)BinaryPrimitives.ReadInt64LittleEndian(length.Span);
            var data = bytes.Slice(position + 12, size);
            Checksum(bytes, position + 8).Should().Be(Masked(length.Span));
            Checksum(bytes, position + 12 + size).Should().Be(Masked(data.Span));
            scalars.AddRange(Scalars(data));
            position += 16 + size;
        }
        return scalars;
    }

    private static IEnumerable<EventScalar> Scalars(ReadOnlyMemory<byte> record)
    {
        // Event: wall_time 1, step 2, summary 5; Summary: value 1; Value: tag 1, simple_value 2.
        var fields = Fields(record).ToArray();
        var step = fields.Where(field => field.Number == 2).Select(field => (long)field.Varint).FirstOrDefault();
        var time = fields.Where(field => field.Number == 1).Select(field => BitConverter.ToDouble(field.Data.Span)).FirstOrDefault();
        return
            from summary in fields
            where summary.Number == 5
            from value in Fields(summary.Data)
            let inner = Fields(value.Data).ToArray()
            let number = inner.Where(field => field.Number == 2).Select(field => BitConverter.ToSingle(field.Data.Span)).FirstOrDefault()
            select new EventScalar(Encoding.UTF8.GetString(inner.Single(field => field.Number == 1).Data.Span), step, number, time);
    }

    private static IEnumerable<(int Number, ulong Varint, ReadOnlyMemory<byte> Data)> Fields(ReadOnlyMemory<byte> message)
    {
        var position = 0;
        while (position < message.Length)
        {
            var key = Varint();
            var (varint, size) = (key & 7) switch { 0 => (Varint(), 0), 1 => (0UL, 8), 2 => (0UL, (int)Varint()), _ => (0UL, 4) };
            yield return ((int)(key >> 3), varint, message.Slice(position, size));
            position += size;
        }

        ulong Varint()
        {
            var value = 0UL;
            for (var shift = 0; ; shift += 7)
            {
                var part = message.Span[position++];
                value |= (ulong)(part & 127) << shift;
                if (part < 128)
                    return value;
            }
        }
    }

    private static uint Checksum(ReadOnlyMemory<byte> bytes, int position) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[position..]);

    private static uint Masked(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var part in data)
        {
            crc ^= part;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        }
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xA282EAD8;
    }
}
