using static TorchSharp.torch;

namespace Moe.HuggingFace;

/// <summary>What the types of numbers are called in files and in torch, and how large they are.</summary>
internal static class ElementTypes
{
    // In the order of the enumeration. The rank is the reference implementation's: it writes types of higher rank first.
    private static readonly Facts[] Known =
    [
        new("F64", 8, ScalarType.Float64, Rank: 10),
        new("F32", 4, ScalarType.Float32, Rank: 9),
        new("F16", 2, ScalarType.Float16, Rank: 6),
        new("BF16", 2, ScalarType.BFloat16, Rank: 7),
        new("I64", 8, ScalarType.Int64, Rank: 11),
        new("I32", 4, ScalarType.Int32, Rank: 8),
        new("I16", 2, ScalarType.Int16, Rank: 5),
        new("I8", 1, ScalarType.Int8, Rank: 2),
        new("U8", 1, ScalarType.Byte, Rank: 1),
        new("BOOL", 1, ScalarType.Bool, Rank: 0),
        new("F8_E4M3", 1, ScalarType.Byte, Rank: 4),
        new("F8_E5M2", 1, ScalarType.Byte, Rank: 3),
    ];

    /// <summary>All types.</summary>
    public static IReadOnlyList<ElementType> All { get; } = Enum.GetValues<ElementType>();

    /// <summary>All names, for messages.</summary>
    public static string Names { get; } = string.Join(", ", Known.Select(facts => facts.Name));

    /// <summary>The name in files: "F32".</summary>
    public static string Name(this ElementType type) => Of(type).Name;

    /// <summary>Bytes of one number.</summary>
    public static int Size(this ElementType type) => Of(type).Size;

    /// <summary>Higher ranks are written first, so that the large numbers come first and all lie aligned.</summary>
    public static int Rank(this ElementType type) => Of(type).Rank;

    /// <summary>The type of the torch tensor that shows the numbers, or the bytes where torch's C# side has no such numbers.</summary>
    public static ScalarType ToTorch(this ElementType type) => Of(type).Torch;

    /// <summary>The type that holds a tensor's numbers as they are; null if there is none. Bytes are U8.</summary>
    public static ElementType? FromTorch(ScalarType type)
    {
        var place = Array.FindIndex(Known, facts => facts.Torch == type);
        return place < 0 ? null : (ElementType)place;
    }

    private static Facts Of(ElementType type) => (uint)type < (uint)Known.Length
        ? Known[(int)type]
        : throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such type of numbers.");

    private sealed record Facts(string Name, int Size, ScalarType Torch, int Rank);
}
