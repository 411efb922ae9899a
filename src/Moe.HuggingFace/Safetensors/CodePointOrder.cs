namespace Moe.HuggingFace;

/// <summary>The order of names by their characters' code points, which is also that of their UTF-8 bytes: the one of the reference tools.</summary>
internal sealed class CodePointOrder : IComparer<string>
{
    public static CodePointOrder Instance { get; } = new();

    public int Compare(string? x, string? y)
    {
        var left = x.AsSpan();
        var right = y.AsSpan();
        var same = left.CommonPrefixLength(right);
        return same == left.Length || same == right.Length ? left.Length.CompareTo(right.Length) : Place(left[same]).CompareTo(Place(right[same]));
    }

    /// <summary>Halves of characters above U+FFFF come after all others, whatever their own number.</summary>
    private static int Place(char half) => char.IsSurrogate(half) ? half + 0x10000 : half;
}
