namespace Moe.Core;

/// <summary>All that the tasks of <see cref="FloatExperts"/> read and write. M routed rows; memory belongs to the caller.</summary>
internal sealed unsafe class FloatExpertsMemory(in SwiGluCall call)
{
    private readonly float* _in = HostMemory.Start<float>(call.In);
    private readonly float* _out = HostMemory.Start<float>(call.Out);

    public FusedPlan.Segment[] Segments { get; } = call.Plan.Segments;

    /// <summary>The experts without rows.</summary>
    public FusedPlan.Segment[] Idle { get; } = call.Plan.Idle;

    /// <summary>M.</summary>
    public int Rows { get; } = (int)call.Plan.Rows;

    /// <summary>The most rows of an expert.</summary>
    public int Most { get; } = call.Plan.Most;

    /// <summary>D.</summary>
    public int Width { get; } = (int)call.In.size(2);

    /// <summary>F.</summary>
    public int HiddenWidth { get; } = (int)call.Hidden;

    /// <summary>Dout.</summary>
    public int OutputWidth { get; } = (int)call.Out.size(1);

    /// <summary>[M] rows of D.</summary>
    public required float** Tokens { get; init; }

    /// <summary>The products with W_gate and W_up, [M, 2F]; null where nobody needs them any more.</summary>
    public float* Both { get; init; }

    /// <summary>[M] rows of F.</summary>
    public required float** Hidden { get; init; }

    /// <summary>[M, Dout].</summary>
    public float* Answers { get; init; }

    /// <summary>By the output, [M] rows of Dout.</summary>
    public float** OutputGradients { get; init; }

    /// <summary>[M].</summary>
    public float* Weights { get; init; }

    /// <summary>By Both, [M] rows of 2F.</summary>
    public float** BothGradients { get; init; }

    /// <summary>By Weights, [M].</summary>
    public float* WeightGradients { get; init; }

    /// <summary>[E, 2F, D]; null for none.</summary>
    public float* InGradient { get; init; }

    /// <summary>[E, Dout, F]; null for none.</summary>
    public float* OutGradient { get; init; }

    /// <summary>[M, D]; null for none.</summary>
    public float* RowGradient { get; set; }

    private nint InSize => 2 * (nint)HiddenWidth * Width;

    private nint OutSize => (nint)OutputWidth * HiddenWidth;

    /// <summary>Those with rows, and then those without.</summary>
    public FusedPlan.Segment SegmentOrIdle(int place) => place < Segments.Length ? Segments[place] : Idle[place - Segments.Length];

    public float* InOf(int expert) => _in + (expert * InSize);

    public float* OutOf(int expert) => _out + (expert * OutSize);

    public float* InGradientOf(int expert) => InGradient + (expert * InSize);

    public float* OutGradientOf(int expert) => OutGradient + (expert * OutSize);
}
