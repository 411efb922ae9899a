namespace Moe.MLNet.Tests;

/// <summary>A row with a column for each number.</summary>
public sealed class House
{
    public float Area { get; set; }

    public float Age { get; set; }

    public float Price { get; set; }

    public bool IsLarge { get; set; }

    public string Town { get; set; } = "";
}
