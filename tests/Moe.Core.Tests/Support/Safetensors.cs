using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Reads a safetensors file: 8 bytes of header length, a JSON header, raw little-endian values.</summary>
internal static class Safetensors
{
    public static Dictionary<string, Tensor> Read(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var headerLength = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, headerLength));
        var result = new Dictionary<string, Tensor>();
        foreach (var entry in header.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__"))
        {
            var offsets = entry.Value.GetProperty("data_offsets");
            var data = bytes.AsSpan(8 + headerLength)[offsets[0].GetInt32()..offsets[1].GetInt32()];
            var shape = entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
            result[entry.Name] = entry.Value.GetProperty("dtype").GetString() switch
            {
                "F32" => tensor(Values(data, 4, BinaryPrimitives.ReadSingleLittleEndian), shape),
                "BF16" => tensor(Values(data, 2, Wide), shape).to(ScalarType.BFloat16),
                "I64" => tensor(Values(data, 8, BinaryPrimitives.ReadInt64LittleEndian), shape),
                var other => throw new NotSupportedException($"{entry.Name} is of type {other}."),
            };
        }
        return result;
    }

    private delegate T Reader<T>(ReadOnlySpan<byte> source);

    /// <summary>A BFloat16 is the upper half of a Float32.</summary>
    private static float Wide(ReadOnlySpan<byte> source) => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(source) << 16);

    private static T[] Values<T>(ReadOnlySpan<byte> data, int size, Reader<T> read)
    {
        var values = new T[data.Length / size];
        for (var i = 0; i < values.Length; i++)
            values[i] = read(data[(i * size)..]);
        return values;
    }
}
